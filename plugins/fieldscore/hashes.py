"""The hashes in ``raw``: keyed ones, for what nobody may read, and those of whole rows."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache

import polars as pl
import polars_hash as plh

from fieldscore.declaration import NO_VALUE
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings

# What surrounds a value without being part of it; staging trims the same (ops.delivered).
BLANKS = " \t\r\n\u00a0\u3000\u200b\ufeff"

# Rows hashed at once: each is joined to one text first, and all of a file's texts would be held.
SLICE = 50_000


def personal_key(settings: Settings) -> bytes:
    """The installation's key of personal hashes: kept outside the database, never changed."""
    try:
        key = bytes.fromhex(settings.secret("personal_key"))[:64]
    except ValueError:
        key = b""
    if len(key) < 16:
        raise FieldscoreError(
            "personal_key: must be at least 32 hexadecimal digits; see FIELDSCORE_PERSONAL_KEY."
        )
    return key


def keyed_hash(text: str, key: bytes, nulls: Collection[str] = NO_VALUE) -> str | None:
    """The 32 hexadecimal digits that stand for a personal value; None for what is no value.

    Texts that differ only in case, blanks or Unicode's compatible forms are one value.
    """
    said = text.strip(BLANKS)
    normal = " ".join(unicodedata.normalize("NFKC", said).casefold().split())
    if said in nulls or not normal:
        return None
    keyed = _keyed(key).copy()
    keyed.update(normal.encode())
    return keyed.hexdigest()


@cache
def _keyed(key: bytes) -> hashlib.blake2b:
    """To copy: taking in the key anew costs as much as the hash of a value."""
    return hashlib.blake2b(digest_size=16, key=key)


def keyed_columns(
    rows: pl.DataFrame, names: Iterable[str], key: bytes, nulls: Collection[str] = NO_VALUE
) -> pl.DataFrame:
    """The rows with those of the named columns that are there as keyed hashes."""
    hashed = []
    for name in set(names) & set(rows.columns):
        values = rows[name].drop_nulls().unique()
        stands_for = pl.Series(
            [keyed_hash(value, key, nulls) for value in values.to_list()], dtype=pl.String
        )
        hashed.append(rows[name].replace_strict(values, stands_for, default=None))
    return rows.with_columns(hashed)


def row_hashes(rows: pl.DataFrame, confidential: Iterable[str] = (), key: bytes = b"") -> pl.Series:
    """16 bytes over the names and values of each row, but for its row_number.

    A column without a value adds nothing, so that rows keep their hash when a feed gets a column.
    confidential: columns that go in as keyed hashes; else whoever may read the hash and the other
    columns could try values until it fits.
    """
    rows = keyed_columns(rows, confidential, key)
    slices = [_hashes(part) for part in rows.iter_slices(SLICE)]
    return pl.concat(slices) if rows.height else pl.Series(dtype=pl.Binary)


def _hashes(rows: pl.DataFrame) -> pl.Series:
    parts = []
    for name in sorted(set(rows.columns) - {"row_number"}):
        column, value = rows[name], pl.col(name)
        if column.str.contains("\x1e", literal=True).any():
            value = value.str.replace_all("\x1e", "\x1e\x1e", literal=True)
        start = pl.lit(f"\x1e{name}\x1f")
        parts += [pl.concat_str(start, value)] if column.null_count() else [start, value]
    joined = rows.lazy().select(pl.concat_str(parts, ignore_nulls=True).alias("row"))
    digits = joined.select(plh.col("row").chash.blake3().str.head(32).str.decode("hex"))
    # Streaming takes all cores for it.
    return digits.collect(engine="streaming").to_series()
