"""Deliveries into ``raw``: each in one transaction, as delivered, but personal values as hashes."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
from psycopg import sql

from fieldscore import readers, sources
from fieldscore.canonical import CORRECTIONS, canonical_feeds
from fieldscore.declaration import Declaration
from fieldscore.erasure import keep_erased
from fieldscore.feeds import load_declarations
from fieldscore.hashes import BLANKS, keyed_columns, personal_key, row_hashes
from fieldscore.settings import Settings

# Called with the landing's transaction just before its commit; raises where it must not happen.
Guard = Callable[[Any], object]

# The version that starts a jsonb value in PostgreSQL's binary form; its JSON text follows.
JSONB = "\x01"

# Rows sent at once; with a million at once the server has nothing to do while they are made ready.
BATCH = 10_000


@dataclass(frozen=True)
class Landed:
    """What became of one delivery. rows: all that were delivered; unchanged: those of them that
    raw already held; malformed: those no row could be made of. new_columns: theirs, not kept."""

    load_id: int
    rows: int
    unchanged: int
    malformed: int
    new_columns: list[str]


def land_feed(
    settings: Settings,
    url: str,
    declaration: Declaration,
    business_date: date,
    guard: Guard | None = None,
    say: Callable[[str], None] = print,
) -> list[Landed]:
    """Land every delivery up to and of a business date that the ledger does not have.

    url: the warehouse's. Each delivery is a transaction: what landed before an error stays landed.
    """
    key = personal_key(settings)
    is_about_others = declaration.feed == CORRECTIONS
    declared = load_declarations(settings.feeds).values() if is_about_others else ()
    landed = []
    for delivery in sources.deliveries(settings, url, declaration, business_date):
        started = time.monotonic()
        load = land(url, declaration, delivery, key, guard, declared)
        what = f"{delivery.feed} {delivery.business_date} {delivery.name!r}"
        if load is None:
            say(f"{what}: landed before")
            continue
        landed.append(load)
        say(
            f"{what}: {load.rows} rows, {load.unchanged} unchanged, {load.malformed} malformed,"
            f" {time.monotonic() - started:.2f} s"
        )
        if load.new_columns:
            say(f"{what}: undeclared columns, not kept: {load.new_columns}")
    return landed


def land(
    url: str,
    declaration: Declaration,
    delivery: sources.Delivery,
    key: bytes,
    guard: Guard | None = None,
    declared: Iterable[Declaration] = (),
) -> Landed | None:
    """Land one delivery in one transaction; None when the ledger has it already.

    key: of the personal hashes. declared: the declarations of the feeds that corrections are about.
    Raises FieldscoreError for a delivery that cannot be read, and what the guard raises; then
    nothing of it is kept.
    """
    feed = declaration.feed
    table = readers.read(delivery.data, f"{delivery.business_date}/{delivery.name}", declaration)
    columns = ",".join(name for name in table.rows.columns if name in declaration.canonical.columns)
    rows = keyed_columns(table.rows, declaration.hashed, key, declaration.nulls)
    if feed == CORRECTIONS and rows.height and "new_value" in rows.columns:
        rows = _without_withheld(rows, declaration, declared)
    delivered = rows.height + len(table.malformed)
    place = [feed, delivery.business_date, delivery.name]

    with _transaction(url) as transaction:
        # Two deliveries of one feed at once would not see each other's rows.
        transaction.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"raw.{feed}"])
        if delivery.mark is not None:
            transaction.execute(
                "insert into ops.delivered_files (feed, business_date, file, mark)"
                " values (%s, %s, %s, %s)"
                " on conflict (feed, business_date, file) do update set mark = excluded.mark",
                [*place, delivery.mark],
            )
        load = transaction.execute(
            "insert into ops.loads (feed, business_date, file, sha256, rows_delivered, columns)"
            " values (%s, %s, %s, %s, %s, string_to_array(%s, ','))"
            " on conflict do nothing returning load_id",
            [*place, hashlib.sha256(delivery.data).hexdigest(), delivered, columns],
        ).fetchone()
        if load is None:
            landed = None
        else:
            [load_id] = load
            rows = keep_erased(transaction.execute, declaration.canonical, rows)
            rows = rows.with_columns(
                row_hash=row_hashes(rows, declaration.canonical.confidential, key)
            )
            unchanged = _store(transaction, feed, load_id, rows)
            _store_malformed(transaction, load_id, table.malformed)
            if delivery.cursor is not None:
                transaction.execute(
                    "insert into ops.cursors (feed, cursor, load_id) values (%s, %s, %s)"
                    " on conflict (feed) do update set cursor = excluded.cursor,"
                    " load_id = excluded.load_id, moved_at = excluded.moved_at",
                    [feed, delivery.cursor, load_id],
                )
            landed = Landed(load_id, delivered, unchanged, len(table.malformed), table.new_columns)
        if guard:
            guard(transaction)
    return landed


def _without_withheld(
    rows: pl.DataFrame, declaration: Declaration, declared: Iterable[Declaration]
) -> pl.DataFrame:
    """Corrections without the new values of columns whose values are withheld.

    They never apply, so their value is not needed. Nor is that of a column nobody knows: it may be
    a customer's, its column misspelt.
    """
    feeds = canonical_feeds().values()
    kept = {(feed.name, column) for feed in feeds for column in feed.columns}
    kept -= {(feed.name, column) for feed in feeds for column in feed.withheld}
    kept -= {(feed.feed, column) for feed in declared for column in feed.withheld}

    def read(name: str, text: str | None) -> str:
        """What staging reads in it (ops.delivered)."""
        said = (text or "").strip(BLANKS)
        return declaration.values.get(name, {}).get(said, said)

    about = rows.select("target_feed", "field").iter_rows()
    is_kept = [(read("target_feed", feed), read("field", column)) in kept for feed, column in about]
    return rows.with_columns(pl.when(pl.Series(is_kept, dtype=pl.Boolean)).then("new_value"))


class _Transaction:
    """ADBC's cursor, spoken to like psycopg's connection: a guard need not tell them apart."""

    def __init__(self, cursor: adbc.Cursor):
        self.cursor = cursor

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> adbc.Cursor:
        places = count(1)
        query = re.sub("%s", lambda _: f"${next(places)}", query)
        self.cursor.execute(query, tuple(parameters) or None)
        return self.cursor

    def insert(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows to schema.table, by column name."""
        schema, name = table.split(".")
        if rows.height:
            self.cursor.adbc_ingest(name, _batches(rows), mode="append", db_schema_name=schema)


@contextmanager
def _transaction(url: str) -> Iterator[_Transaction]:
    """A transaction, committed at the end and rolled back on any error."""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        yield _Transaction(cursor)
        connection.commit()


def _store(transaction: _Transaction, feed: str, load_id: int, rows: pl.DataFrame) -> int:
    """Put the rows raw does not hold into it, and note the others; how many others there are."""
    load = pl.lit(load_id, pl.Int64).alias("load_id")
    known = _known(transaction, feed, rows)
    # In the order of the indexes on hashes, whose pages are then written one after the other.
    order = rows["row_hash"].arg_sort()
    new, again = (rows[order.filter(which[order])] for which in (~known, known))
    if "extra" in new.columns:
        new = new.with_columns(extra=pl.lit(JSONB) + pl.col("extra"))
    transaction.insert(f"raw.{feed}", new.select(load, pl.all()))
    transaction.insert(
        "ops.unchanged_rows",
        again.select(load, "row_number", pl.lit(feed).alias("feed"), "row_hash"),
    )
    return again.height


def _known(transaction: _Transaction, feed: str, rows: pl.DataFrame) -> pl.Series:
    """Whether raw, or an earlier row of the same delivery, holds the same row."""
    repeated = ~rows["row_hash"].is_first_distinct()
    raw = sql.Identifier("raw", feed)
    any_row = sql.SQL("select 1 from {} limit 1").format(raw)
    if transaction.execute(any_row.as_string()).fetchone() is None:
        return repeated
    asked = rows.select("row_hash").filter(~repeated)
    transaction.cursor.adbc_ingest("asked", _batches(asked), mode="create", temporary=True)
    transaction.execute("analyze pg_temp.asked")
    query = sql.SQL(
        "select row_hash from pg_temp.asked"
        " where exists (select from {} as held where held.row_hash = asked.row_hash)"
    ).format(raw)
    held = transaction.execute(query.as_string()).fetch_arrow_table()
    return repeated | rows["row_hash"].is_in(pl.DataFrame(held)["row_hash"].implode())


def _store_malformed(
    transaction: _Transaction, load_id: int, malformed: list[readers.Malformed]
) -> None:
    rows = [
        (load_id, row.row_number, row.reason, JSONB + json.dumps(row.row, ensure_ascii=False))
        for row in malformed
    ]
    schema = {"load_id": pl.Int64, "row_number": pl.Int64, "reason": pl.String, "row": pl.String}
    transaction.insert("ops.malformed_rows", pl.DataFrame(rows, schema, orient="row"))


def _batches(rows: pl.DataFrame) -> pa.RecordBatchReader:
    """As Arrow with the string type every ADBC driver knows."""
    oldest = pl.CompatLevel.oldest()
    tables = (part.to_arrow(compat_level=oldest) for part in rows.iter_slices(BATCH))
    batches = (batch for table in tables for batch in table.to_batches())
    return pa.RecordBatchReader.from_batches(
        rows.clear().to_arrow(compat_level=oldest).schema, batches
    )
