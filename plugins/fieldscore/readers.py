"""Delivered bytes as a table of text: csv, tsv, jsonl (each also .gz), parquet and xlsx.

Text stays as it was delivered; what is not text in its format becomes the text a person would write
(ISO 8601, exact decimals, true and false, JSON for what is nested). An empty text is no value.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import logging
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from polars import selectors as cs  # a name of theirs in pl.col may be taken for a pattern
from polars.exceptions import PanicException, PolarsError

from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError

log = logging.getLogger(__name__)

LONGEST_LINE = 2**20  # bytes; longer is a missing line end or quotation mark, not a record
LARGEST_FILE = 2**31  # bytes when unpacked; they are held in memory
PACKED_AT_MOST = 200  # times smaller by gzip; real deliveries are 5 to 30 times
SHOWN = 500  # characters of a malformed line that are kept

ASK_AGAIN = "ask for it again, or declare may_be_empty: true if that is right."

DELIMITED = {"csv": ",", "tsv": "\t"}
PACKABLE = {*DELIMITED, "jsonl"}


@dataclass(frozen=True)
class Malformed:
    """A line no row can be made of. row: what is known of it, personal values masked."""

    row_number: int
    reason: str
    row: dict[str, str | None]


@dataclass(frozen=True)
class Table:
    """A delivery in our columns.

    rows: row_number (from 1, after the header, malformed and blank lines counted), the canonical
    columns that were delivered or are constants, and ``extra`` (JSON text of the harmless columns)
    where any is declared. new_columns: theirs that nothing is declared about; not kept.
    """

    rows: pl.DataFrame
    malformed: list[Malformed]
    new_columns: list[str]


@dataclass(frozen=True)
class _Sheet:
    """What a format's reader finds: row_numbers and the rows in their columns, as text.

    broken: lines that are no rows, as (row_number, reason, text). may_hold_nul: False where it is
    known that no value holds a NUL byte.
    """

    row_numbers: pl.Series
    rows: pl.DataFrame
    broken: list[tuple[int, str, str]]
    may_hold_nul: bool = True


def read(data: bytes, name: str, declaration: Declaration) -> Table:
    """Read a delivered file into our columns; ``name`` tells the format and is what errors name.

    Raises FieldscoreError for a file that cannot be read whole: unknown format or encoding, empty
    (unless may_be_empty), columns missing or given twice. Single bad lines become ``malformed``.
    """
    where = f"{declaration.feed}: {name}"
    kind, data = _unpacked(data, name, where)
    if not data:
        if not declaration.may_be_empty:
            raise FieldscoreError(f"{where}: the file is empty (0 bytes); {ASK_AGAIN}")
        columns = {"row_number": pl.Int64, **dict.fromkeys(declaration.theirs, pl.String)}
        return Table(pl.DataFrame(schema=columns), [], [])
    sheet = _sheet(kind, data, declaration, where)
    _check_columns(sheet, kind, declaration, where)
    if sheet.rows.height + len(sheet.broken) == 0 and not declaration.may_be_empty:
        raise FieldscoreError(f"{where}: the file has no rows; {ASK_AGAIN}")
    return _ours(sheet, declaration)


def excerpt(
    data: bytes, name: str, declaration: Declaration, row_numbers: Collection[int]
) -> tuple[str, bytes]:
    """Some rows of a delivered file as a file of their own, in their columns: (ending, bytes).

    Lines no row could be made of stay as they are. What is no text format becomes csv. Read by the
    same declaration the rows are the same again. Raises FieldscoreError as ``read`` does.
    """
    where = f"{declaration.feed}: {name}"
    kind, data = _unpacked(data, name, where)
    sheet = _sheet(kind, data, declaration, where)
    kind = kind if kind in PACKABLE else "csv"
    lines = {number: f"{text}\n" for number, _, text in sheet.broken}
    for number, row in zip(sheet.row_numbers, sheet.rows.iter_rows(), strict=True):
        if number in row_numbers:
            if kind == "jsonl":
                filled = {
                    n: v for n, v in zip(sheet.rows.columns, row, strict=True) if v is not None
                }
                lines[number] = json.dumps(filled, ensure_ascii=False) + "\n"
            else:
                lines[number] = _delimited_line(row, kind, declaration)
    header = "" if kind == "jsonl" else _delimited_line(sheet.rows.columns, kind, declaration)
    chosen = (lines[number] for number in sorted(lines.keys() & set(row_numbers)))
    return f".{kind}", "".join([header, *chosen]).encode(declaration.encoding)


def json_text(value: Any) -> str:
    """JSON as text, with numbers as they were written (parsed as ``Number``)."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(json_text, value))}]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k, ensure_ascii=False)}: {json_text(v)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


class Number(str):
    """A JSON number, kept as it was written: 12.50 stays 12.50."""

    __slots__ = ()


def parsed_json(text: str) -> Any:
    """JSON with its numbers as ``Number``.

    Raises ValueError, for NaN and Infinity too, and for a name given twice: one value would go.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        if len(names) < len(pairs):
            raise ValueError("holds a name more than once")
        return dict(pairs)

    try:
        return json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=refuse,
            object_pairs_hook=mapping,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unpacked(data: bytes, name: str, where: str) -> tuple[str, bytes]:
    """The format of a file, by its name, and its bytes without gzip."""
    *_, first, second = ["", "", *name.lower().split(".")]
    packed = second == "gz"
    kind = first if packed else second
    if kind not in PACKABLE | ({"parquet", "xlsx"} if not packed else set()):
        raise FieldscoreError(
            f"{where}: unknown file type; read are .csv, .tsv and .jsonl (also .gz), .parquet and"
            " .xlsx. Declare a path pattern that leaves this file out, or ask for another type."
        )
    if packed and data:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacking:
                limit = min(LARGEST_FILE, max(2**26, PACKED_AT_MOST * len(data)))
                data = unpacking.read(limit + 1)
        except (OSError, EOFError, zlib.error) as damaged:
            raise FieldscoreError(
                f"{where}: the gzip file is damaged or cut short ({damaged}); ask for it again."
            ) from damaged
        _bounded(len(data), limit, where)
    return kind, data


def _sheet(kind: str, data: bytes, declaration: Declaration, where: str) -> _Sheet:
    """Bytes that are not empty, in a format, as what they hold."""
    if kind in DELIMITED:
        return _delimited(data, _delimiter(kind, declaration), declaration, where)
    if kind == "jsonl":
        return _json_lines(data, declaration, where)
    return _parquet(data, where) if kind == "parquet" else _xlsx(data, where)


def _delimiter(kind: str, declaration: Declaration) -> str:
    return declaration.delimiter or DELIMITED[kind]


def _bounded(size: int, limit: int, where: str) -> None:
    if size > limit:
        raise FieldscoreError(f"{where}: more than {limit:,} bytes; deliver it in smaller files.")


def _decoded(data: bytes, encoding: str, where: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FieldscoreError(
            f"{where}: byte {error.start} (line {line}) is not {encoding}; declare the encoding the"
            " file has (utf-8 or gb18030), or ask for the file again."
        ) from None  # its own message quotes the data


# --- csv and tsv ---------------------------------------------------------------------------------


def _delimited(data: bytes, delimiter: str, declaration: Declaration, where: str) -> _Sheet:
    if declaration.encoding != "utf-8":
        data = _decoded(data, declaration.encoding, where).encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    header = _header(data, delimiter, where)
    _check_header(header, where)
    if not data.endswith(b"\n"):
        data += b"\n"
    return _read_fast(data, delimiter, header) or _read_careful(
        _decoded(data, "utf-8", where), delimiter, header
    )


def _delimited_line(fields: Iterable[str | None], kind: str, declaration: Declaration) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=_delimiter(kind, declaration), lineterminator="\n").writerow(fields)
    return line.getvalue()


def _header(data: bytes, delimiter: str, where: str) -> list[str]:
    start = data[: 2 * LONGEST_LINE]
    start = start[: start.rfind(b"\n") + 1] or start  # no character cut in two
    lines = io.StringIO(_decoded(start, "utf-8", where), newline="")
    try:
        header = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise FieldscoreError(f"{where}: the first line is no header ({error}).") from error
    if not header:
        raise FieldscoreError(f"{where}: the first line is blank; it must be the header.")
    return [name.strip() for name in header]


def _check_header(header: list[str], where: str) -> None:
    """Refuse names that cannot be told apart."""
    for place, name in enumerate(header, 1):
        if not name:
            raise FieldscoreError(f"{where}: column {place} of the header has no name.")
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise FieldscoreError(f"{where}: the header names {_quoted(twice)} more than once.")


def _read_fast(data: bytes, delimiter: str, header: list[str]) -> _Sheet | None:
    """All lines at once with polars, less those that have not exactly the header's fields.

    polars fills a short line and refuses a long one, so these are found and taken out before. None
    where quotation marks or line ends are not as RFC 4180 has them: then this cannot count fields.
    """
    text = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(text == ord('"')) if b'"' in data else np.array([], int)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    if len(marks) and not _regular(text, marks, delimiter):
        return None
    splits = np.flatnonzero((text == ord(delimiter)) | (text == ord("\n")))
    if len(marks):  # inside quotation marks is after an odd number of them
        splits = splits[np.searchsorted(marks, splits) % 2 == 0]
    last = np.flatnonzero(text[splits] == ord("\n"))
    ends, fields = splits[last], np.diff(last, prepend=-1)
    sizes = np.diff(ends, prepend=-1)
    blank = (sizes == 1) | ((sizes == 2) & (text[ends - 1] == ord("\r")))
    good = (fields == len(header)) & (sizes <= LONGEST_LINE) & ~blank
    if not good[0]:  # the header itself
        return None
    try:
        whole = data if good.all() else text[np.repeat(good, sizes)].tobytes()
        rows = pl.read_csv(whole, separator=delimiter, infer_schema=False)
    except (PolarsError, OSError):  # bytes that are not UTF-8, or look packed to polars
        return None
    numbers = np.flatnonzero(good)[1:]
    if rows.shape != (len(numbers), len(header)):
        return None
    rows.columns = header
    broken = []
    for number in np.flatnonzero(~good & ~blank):
        line = data[ends[number] + 1 - sizes[number] : ends[number]].decode(errors="replace")
        reason = _misfit(sizes[number], fields[number], len(header))
        broken.append((int(number), reason, line.rstrip("\r")))
    return _Sheet(pl.Series(numbers, dtype=pl.Int64), rows, broken, may_hold_nul=b"\0" in whole)


def _regular(text: np.ndarray, marks: np.ndarray, delimiter: str) -> bool:
    """Whether every quotation mark (at ``marks``) opens a field, closes one or is doubled in one.

    They take turns to open and close, a doubled one closing and opening again. So each opening one
    follows a delimiter, a line end or a closing one, and each closing one precedes such a thing.
    """
    if len(marks) % 2:
        return False
    edge = np.zeros(256, bool)
    edge[[ord(delimiter), *b'\r\n"']] = True
    opening, closing = marks[0::2], marks[1::2]
    opens = (opening == 0) | edge[text[opening - 1]]
    return bool(opens.all() and edge[text[closing + 1]].all())  # the last byte is a line end


def _misfit(size: int, fields: int, width: int) -> str | None:
    """Why a line of so many bytes and fields is no row, if it is none."""
    if size > LONGEST_LINE:
        return f"longer than {LONGEST_LINE:,} bytes"
    return f"{fields} fields where the header has {width}" if fields != width else None


def _read_careful(text: str, delimiter: str, header: list[str]) -> _Sheet:
    """Record by record with the csv module, which forgives a quotation mark inside a field.

    After a line whose quotation marks do not match, reading goes on with the very next line.
    """
    csv.field_size_limit(LONGEST_LINE)
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    next(reader)
    at, number, width = reader.line_num, 0, len(header)
    numbers, rows, broken = [], [], []
    while at < len(lines):
        number += 1
        line, size, used = lines[at], len(lines[at].encode()), 1
        if not line.strip("\r\n"):
            at += 1
            continue
        record = csv.reader(_within_limit(lines, at), delimiter=delimiter, strict=True)
        try:
            fields = next(record)
        except (csv.Error, StopIteration) as error:
            reason = _misfit(size, width, width) or f"not to be split into fields: {error}"
        else:
            used = record.line_num
            reason = _misfit(size, len(fields), width)
        if reason:
            broken.append((number, reason, "".join(lines[at : at + used]).rstrip("\r\n")))
        else:
            numbers.append(number)
            rows.append(fields)
        at += used
    columns = zip(*rows, strict=True) if rows else [()] * width
    table = pl.DataFrame(
        [pl.Series(name, values, pl.String) for name, values in zip(header, columns, strict=True)]
    )
    return _Sheet(pl.Series(numbers, dtype=pl.Int64), table, broken)


def _within_limit(lines: list[str], at: int) -> Iterator[str]:
    """The lines from one on, as long as together they could be one record."""
    length = 0
    while at < len(lines) and (length := length + len(lines[at])) <= LONGEST_LINE:
        yield lines[at]
        at += 1


# --- jsonl ---------------------------------------------------------------------------------------


def _json_lines(data: bytes, declaration: Declaration, where: str) -> _Sheet:
    text = _decoded(data, declaration.encoding, where).removeprefix("\ufeff")
    numbers, records, broken = [], [], []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = _json_record(line)
        except ValueError as error:
            broken.append((number, str(error), line))
            continue
        columns |= dict.fromkeys(record)
        numbers.append(number)
        records.append(record)
    _check_header(list(columns), where)
    rows = pl.DataFrame(
        {name: [record.get(name) for record in records] for name in columns},
        dict.fromkeys(columns, pl.String),
    )
    return _Sheet(pl.Series(numbers, dtype=pl.Int64), rows, broken)


def _json_record(line: str) -> dict[str, str | None]:
    """A line's object with every value as text. Raises ValueError with what is wrong."""
    if len(line.encode()) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
    record = parsed_json(line)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if "\\u" in line and re.search("[\ud800-\udfff]", json_text(record)):
        raise ValueError("holds half a character")  # a lone surrogate: no text can hold it
    return {
        name: value if value is None or isinstance(value, str) else json_text(value)
        for name, value in record.items()
    }


# --- parquet -------------------------------------------------------------------------------------


def _parquet(data: bytes, where: str) -> _Sheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        meta = file.metadata
        unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        _bounded(max(unpacked, meta.num_rows * meta.num_columns), LARGEST_FILE, where)
        # polars itself believes what a page says of its length, and one that lies ends the process.
        decoded = file.read()
        decoded.validate(full=True)  # that its texts are texts
        table = pl.from_arrow(decoded)
        rows = table.select(_as_text(name, dtype) for name, dtype in table.schema.items())
    # A column may be named by bytes that are no text.
    except (PolarsError, PanicException, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FieldscoreError(
            f"{where}: not a parquet file that can be read ({str(error).splitlines()[0]});"
            " ask for it again."
        ) from error
    _check_header(rows.columns, where)
    return _Sheet(_numbers(rows.height), rows, [])


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A typed column as text."""
    column = cs.by_name(name)
    if dtype.is_nested():
        # polars writes JSON of structs alone: {"":[1,2]} without its first 4 and last character
        whole = pl.struct(column.alias("")).struct.json_encode()
        text = whole.str.slice(4, whole.str.len_chars() - 5)
        return pl.when(column.is_not_null()).then(text).alias(name)
    if dtype.is_float():
        return column.cast(pl.String).str.strip_suffix(".0")  # whole numbers where some are missing
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    return column.cast(pl.String)


# --- xlsx ----------------------------------------------------------------------------------------


def _xlsx(data: bytes, where: str) -> _Sheet:
    import fastexcel

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _bounded(sum(part.file_size for part in archive.infolist()), LARGEST_FILE, where)
        book = fastexcel.read_excel(data)
        sheets = [
            book.load_sheet(name, header_row=None, dtypes="string") for name in book.sheet_names
        ]
    except (zipfile.BadZipFile, fastexcel.FastExcelError) as error:
        raise FieldscoreError(
            f"{where}: not an xlsx file that can be read ({str(error).splitlines()[0]}); save it as"
            " .xlsx without a password."
        ) from error
    shown = [sheet for sheet in sheets if sheet.visible == "visible"]
    if len(shown) != 1:
        raise FieldscoreError(
            f"{where}: {len(shown)} visible sheets ({_quoted(sheet.name for sheet in shown)});"
            " deliver a workbook with one."
        )
    table = pl.DataFrame(shown[0])
    table = table.select(column for column in table if column.null_count() < table.height)
    if not table.height:
        return _Sheet(_numbers(0), table, [])
    header = [(name or "").strip() for name in table.row(0)]
    _check_header(header, where)
    rows = table.slice(1)
    rows.columns = header
    written = rows.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    return _Sheet(_numbers(rows.height).filter(written), rows.filter(written), [])


# --- in our columns ------------------------------------------------------------------------------


def _ours(sheet: _Sheet, declaration: Declaration) -> Table:
    """Their columns as ours, with constants, and without the rows PostgreSQL cannot hold."""
    theirs = {our: their for our, their in declaration.theirs.items() if their in sheet.rows}
    harmless = sorted(name for name in declaration.harmless if name in sheet.rows)
    known = {*theirs.values(), *harmless}

    def filled(name: str) -> pl.Expr:
        return pl.when(cs.by_name(name) != "").then(cs.by_name(name))

    rows = sheet.rows.select(
        sheet.row_numbers.alias("row_number"),
        *(filled(their).alias(our) for our, their in theirs.items()),
        *(pl.lit(value, pl.String).alias(our) for our, value in declaration.constants.items()),
        *(
            [pl.struct(cs.by_name(harmless)).struct.json_encode().alias("extra")]
            if harmless
            else []
        ),
    )
    malformed = [
        Malformed(number, reason, {"line": _masked(line)}) for number, reason, line in sheet.broken
    ]
    if sheet.may_hold_nul and known:
        nul = cs.by_name(*known).str.contains("\0", literal=True)
        spoilt = sheet.rows.select(pl.any_horizontal(nul).fill_null(False)).to_series()
        for row in rows.filter(spoilt).drop("extra", strict=False).iter_rows(named=True):
            number = row.pop("row_number")
            shown = {
                name: _masked(value) if value and name in declaration.withheld else _shown(value)
                for name, value in row.items()
            }
            malformed.append(Malformed(number, "holds a NUL byte", shown))
        rows = rows.filter(~spoilt)
        malformed.sort(key=lambda row: row.row_number)
    return Table(rows, malformed, [name for name in sheet.rows.columns if name not in known])


def _check_columns(sheet: _Sheet, kind: str, declaration: Declaration, where: str) -> None:
    """Refuse a delivery that lacks a column it must have.

    In jsonl a column is one that any record has, and many writers leave out what has no value: so
    only the columns that every row needs must be there; what no record has is said in the log.
    """
    found = sheet.rows.columns
    if kind == "jsonl" and not sheet.rows.height:
        return
    columns = declaration.canonical.columns
    missing = {
        our: their
        for our, their in declaration.theirs.items()
        if their not in found and (columns[our].present or declaration.columns is not None)
    }
    if kind == "jsonl":
        for our in [our for our in missing if not (columns[our].key or columns[our].filled)]:
            log.warning("%s: no record has %r (our %s)", where, missing.pop(our), our)
    if not missing:
        return
    if not set(declaration.theirs.values()) & set(found):
        # Perhaps no header at all: then these are somebody's values, which no log may show.
        raise FieldscoreError(
            f"{where}: the header is wrong: none of its {len(found)} names is one of"
            f" {_quoted(declaration.theirs.values())}. Check header, delimiter and declaration."
        )
    raise FieldscoreError(
        f"{where}: no column {_quoted(missing.values())}; the file has {_quoted(found)}."
        f" Correct columns in {declaration.feed}.yml, or ask for the file with all its columns."
    )


def _shown(text: str | None) -> str | None:
    """The beginning of a text that is set aside, as PostgreSQL can hold it."""
    return text and text[:SHOWN].replace("\0", "\u2400")


def _masked(text: str) -> str:
    """The shape of its beginning; nobody knows where in a malformed line personal values are."""
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", _shown(text)))


def _numbers(count: int) -> pl.Series:
    return pl.int_range(1, count + 1, dtype=pl.Int64, eager=True)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
