"""Whatever is delivered, declared or decided: an error that names the place, or a reject.

Never a traceback out of a library, never a hang, never a row that is gone without a word. Some
12,000 inputs a run: files of every format from scratch and by spoiling good ones, declarations,
policy files, and texts for the functions that type them in the warehouse.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import xlsxwriter
import yaml
from fieldscore import feeds, landing, policy, readers
from fieldscore.declaration import PARTS, Declaration
from fieldscore.errors import FieldscoreError
from fieldscore.hashes import keyed_columns, row_hashes
from fieldscore.sources import Delivery
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

DAY = date(2026, 3, 9)
KEY = bytes(32)

# None of these inputs is larger than a page: what takes so long does not end.
HANGS = timedelta(seconds=20)


def many(times: int) -> Callable:
    """So many inputs. Fixtures hold nothing that one input could leave for the next."""
    return settings(
        max_examples=times,
        deadline=HANGS,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# --- delivered files -----------------------------------------------------------------------------

SURVEYS = Declaration(feed="surveys", personal=["channel"], harmless=["mood"], null_tokens=["?"])
COLUMNS = ["survey_id", "order_id", "sent_at", "answered_at", "rating", "updated_at", "channel"]
GOOD = [
    ["S1", "O1", "2026-03-01 10:00", "2026-03-01 12:00", "5", "2026-03-01 12:00", "短信"],
    ["S2", 'O"2"', "2026-03-02 10:00", "", "?", "2026-03-02 10:00", ""],
]
DELIVERIES = {
    encoding: Declaration(
        feed="surveys", encoding=encoding, personal=["channel"], harmless=["mood"]
    )
    for encoding in ("utf-8", "gb18030")
}

# Any character, and more often those that mean something to a reader.
texts = st.text(
    st.characters(codec="utf-8") | st.sampled_from('",;\t\r\n\0{}[]:\\\ufeff\u2028\x85')
)
# What JSON alone can say: half a character too.
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(COLUMNS), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """These bytes with up to four pieces cut out, doubled, moved or overwritten."""
    data = good
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from([1, 8, 400])))))
        new = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"", b"\0", b'"', b"\n", b"\r", b",", b"\xff\xfe", b"\x1a"])
            | st.just(data[start:end] * 2)
        )
        data = data[:start] + new + data[end:]
    return data


def outcome(data: bytes, name: str, declaration: Declaration = SURVEYS) -> readers.Table | None:
    """What was read, fit for the warehouse; None where it was refused, naming feed and file."""
    try:
        table = readers.read(data, name, declaration)
    except FieldscoreError as refused:
        assert str(refused).startswith(f"{declaration.feed}: {name}: ")
        assert len(str(refused)) < 5000
        return None
    numbers = table.rows["row_number"].to_list() + [row.row_number for row in table.malformed]
    assert len(set(numbers)) == len(numbers) and all(number > 0 for number in numbers)
    keyed = keyed_columns(table.rows, declaration.hashed, KEY, declaration.nulls)
    hashes = row_hashes(keyed, declaration.canonical.confidential, KEY)
    assert hashes.len() == table.rows.height and not hashes.null_count()
    for column in table.rows.drop("row_number"):
        assert column.dtype == pl.String
        assert not column.str.contains("\0", literal=True).any()
    for row in table.malformed:
        assert row.reason
        told = json.dumps(row.row, ensure_ascii=False)
        assert "\\u0000" not in told and told.encode()
    return table


def delivered(table: readers.Table) -> int:
    return table.rows.height + len(table.malformed)


def csv_of(rows: list[list[str]], encoding: str = "utf-8") -> bytes:
    quoted = [['"' + value.replace('"', '""') + '"' for value in row] for row in rows]
    return "".join(",".join(row) + "\n" for row in quoted).encode(encoding)


GOOD_CSV = {encoding: csv_of([COLUMNS, *GOOD], encoding) for encoding in DELIVERIES}
GOOD_JSON = "".join(
    json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in GOOD
)


@many(1500)
@given(
    st.sampled_from(list(DELIVERIES)).flatmap(lambda e: st.tuples(st.just(e), spoilt(GOOD_CSV[e])))
)
def test_a_spoilt_csv_is_read_or_refused(encoded: tuple[str, bytes]) -> None:
    encoding, data = encoded
    outcome(data, "a.csv", DELIVERIES[encoding])


@many(1000)
@given(st.binary(max_size=200) | texts.map(str.encode))
@example(b"x\x01\x06")  # to polars, packed
def test_any_bytes_as_csv_are_read_or_refused(data: bytes) -> None:
    outcome(data, "a.csv")
    outcome(csv_of([COLUMNS]) + data, "a.tsv" if b"\t" in data else "a.csv")


@many(1500)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters='"\r\n')), max_size=12))
@example(["a,b\x1fc", "", " ", "\0" * 9, ",,,,,,"])
def test_no_line_of_a_csv_is_dropped(lines: list[str]) -> None:
    data = ",".join(COLUMNS) + "\n" + "".join(f"{line}\n" for line in lines)
    table = outcome(data.encode(), "a.csv")
    wanted = [number for number, line in enumerate(lines, 1) if line]
    if table is None:
        assert not wanted
        return
    found = table.rows["row_number"].to_list() + [row.row_number for row in table.malformed]
    assert sorted(found) == wanted


@many(1000)
@given(spoilt(GOOD_JSON.encode()))
def test_a_spoilt_jsonl_is_read_or_refused(data: bytes) -> None:
    table = outcome(data, "a.jsonl")
    if table:
        lines = data.decode().removeprefix("\ufeff").split("\n")
        assert delivered(table) == sum(bool(line.strip()) for line in lines)


@many(1000)
@given(st.lists(values, max_size=6), st.booleans())
def test_any_json_is_read_line_by_line(records: list[Any], escaped: bool) -> None:
    lines = []
    for record in records:
        try:
            lines.append(json.dumps(record, ensure_ascii=escaped).encode())
        except UnicodeEncodeError:  # half a character can only be written escaped
            lines.append(json.dumps(record).encode())
    table = outcome(GOOD_JSON.encode() + b"\n".join(lines), "a.jsonl")
    assert table is None or delivered(table) == len(GOOD) + len(lines)


@many(200)
@given(st.data())
def test_a_table_of_any_types_is_read_from_parquet(data: st.DataObject) -> None:
    kinds = [
        st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1), st.floats(),
        st.booleans(), st.binary(), st.dates(), st.times(),
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
        st.timedeltas(timedelta(-(10**6)), timedelta(10**6)),
        st.decimals(-(10**9), 10**9, places=3), st.lists(st.text(max_size=3), max_size=3),
        st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.text(max_size=3)}),
    ]  # fmt: skip
    height = data.draw(st.integers(1, 4))
    columns = {
        name: data.draw(
            st.lists(
                st.none() | data.draw(st.sampled_from(kinds)), min_size=height, max_size=height
            )
        )
        for name in COLUMNS
    }
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    table = outcome(file.getvalue(), "a.parquet")
    assert table is None or delivered(table) == height


GOOD_PARQUET = io.BytesIO()
pl.DataFrame(GOOD, COLUMNS, orient="row").write_parquet(GOOD_PARQUET)


@many(700)
@given(spoilt(GOOD_PARQUET.getvalue()))
# A name that is no text; pages of -2 values.
@example(GOOD_PARQUET.getvalue().replace(b"survey_id", b"\x80urvey_id"))
@example(GOOD_PARQUET.getvalue().replace(b",\x15\x04", b",\x15\x03"))
def test_a_spoilt_parquet_is_read_or_refused(data: bytes) -> None:
    outcome(data, "a.parquet")


def xlsx_of(rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "nan_inf_to_errors": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


cells = (
    st.none()
    | st.booleans()
    | st.floats(-1e300, 1e300)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=8)
)


@many(300)
@given(st.lists(st.lists(cells, min_size=7, max_size=8), max_size=6))
def test_a_sheet_of_any_cells_is_read_row_by_row(rows: list[list[Any]]) -> None:
    table = outcome(xlsx_of([COLUMNS, GOOD[0], *rows]), "a.xlsx")
    written = [row for row in rows if any(cell is not None and cell != "" for cell in row)]
    assert table is None or delivered(table) == 1 + len(written)


@many(600)
@given(spoilt(xlsx_of([COLUMNS, *GOOD])))
def test_a_spoilt_xlsx_is_read_or_refused(data: bytes) -> None:
    outcome(data, "a.xlsx")


@many(600)
@given(spoilt(gzip.compress(GOOD_CSV["utf-8"], mtime=0)))
def test_a_spoilt_gzip_is_read_or_refused(data: bytes) -> None:
    outcome(data, "a.csv.gz")


@many(300)
@given(texts, st.binary(max_size=20))
def test_any_file_name_is_a_type_or_refused(name: str, data: bytes) -> None:
    outcome(data, name)


@many(30)
@given(st.lists(st.lists(texts, min_size=6, max_size=8), max_size=4), st.lists(values, max_size=4))
def test_whatever_is_read_the_warehouse_can_hold(warehouse, rows, records) -> None:
    files = {
        "a.csv": csv_of([COLUMNS, *GOOD, *rows]),
        "b.jsonl": GOOD_JSON.encode() + "\n".join(map(json.dumps, records)).encode(),
    }
    with warehouse.connect() as connection:
        for name, data in files.items():
            table = outcome(data, name)
            if table is None:
                continue
            connection.execute(
                "truncate ops.loads, ops.malformed_rows, ops.unchanged_rows, raw.surveys cascade"
            )
            connection.commit()
            landed = landing.land(warehouse.url, SURVEYS, Delivery("surveys", DAY, name, data), KEY)
            [held, masked] = connection.execute(
                "select (select count(*) from raw.surveys),"
                " (select count(*) from ops.malformed_rows where row is not null)"
            ).fetchone()
            assert landed.rows == delivered(table) == held + landed.unchanged + masked


# --- declarations --------------------------------------------------------------------------------

KEYS = [*(name for name in Declaration.model_fields if name != "feed"), "feed", "colums"]
formats = st.lists(st.sampled_from([*PARTS, "%q", "%", "/", "-", " ", ":", "年", "T", "("])).map(
    "".join
)
words = (
    formats | st.text(max_size=6) | st.sampled_from([*COLUMNS, "Asia/Shanghai", "../x", "\0", "?"])
)
said = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
plausible = {
    "required": st.just(True), "wait_minutes": st.floats(), "path": words, "delimiter": words,
    "connector": st.sampled_from(["files", "http", "sql"]), "null_tokens": st.lists(words),
    "timestamp_formats": st.lists(formats, max_size=3), "time_zone": words,
    "date_formats": st.lists(formats, max_size=3), "start": st.dates(),
    "columns": st.fixed_dictionaries(dict.fromkeys(COLUMNS[:6], words)),
    "constants": st.dictionaries(st.sampled_from(COLUMNS), words, max_size=2),
    "values": st.dictionaries(st.sampled_from(COLUMNS), st.dictionaries(words, words), max_size=2),
    "personal": st.lists(words), "harmless": st.lists(words),
    "http": st.fixed_dictionaries(
        {"connection_id": words, "path": words}, optional={"next": words, "records": words}
    ),
    "sql": st.fixed_dictionaries({"connection_id": words, "query": words}),
}  # fmt: skip


@pytest.fixture(scope="module")
def declared(template: str) -> Iterator[psycopg.Connection]:
    """Where a night stores its declarations; nothing is kept."""
    with psycopg.connect(template) as connection:
        yield connection
        connection.rollback()


def judge(folder: Path, text: bytes, declared: psycopg.Connection) -> None:
    """A declaration is refused file by file and key by key, or a night can work with it."""
    (folder / "surveys.yml").write_bytes(text)
    try:
        found = feeds.load_declarations(folder)
    except FieldscoreError as refused:
        for line in str(refused).split("\n"):
            assert re.match(r"surveys\.yml: .+: .", line), line
        return
    feeds.store_declarations(declared, found, "Asia/Shanghai")
    declared.execute(
        "select ops.to_utc('2026-03-09 nonsense', time_zone, patterns, templates),"
        " ops.to_date('09.03.2026', patterns, templates) from ops.declarations"
    )
    declared.rollback()
    outcome(GOOD_CSV["utf-8"], "a.csv", found["surveys"])


@many(600)
@given(
    st.fixed_dictionaries({}, optional=plausible)
    | st.dictionaries(st.sampled_from(KEYS), said, max_size=4)
)
def test_a_declaration_of_any_content_is_right_or_refused_by_key(
    tmp_path, declared, content
) -> None:
    judge(tmp_path, yaml.safe_dump(content, allow_unicode=True).encode(), declared)


GOOD_YAML = re.search(
    r"```yaml\n(.*?)```",
    Path(feeds.__file__).parents[2].joinpath("dags/feeds/README.md").read_text(),
    re.S,
)[1].encode()


@many(1000)
@given(spoilt(GOOD_YAML) | texts.map(str.encode) | st.binary(max_size=60))
@example(b"? [a]\n: b")
@example(b"&a [*a]")
@example(b"a: &x {<<: *x}")
@example(b"!!python/object:os.system x")
@example(b"{" * 2000)
@example(b"start: 2026-02-30")
@example(b'null_tokens: ["\\ud800"]')
@example(b'values: {rating: {"\\0": "5"}}')
def test_any_bytes_as_a_declaration_are_right_or_refused(tmp_path, declared, data: bytes) -> None:
    judge(tmp_path, data, declared)


# --- policy --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def policies(tmp_path_factory) -> Path:
    """A copy of the shipped policy; whoever spoils a file puts it back."""
    return Path(shutil.copytree(policy.POLICY, tmp_path_factory.mktemp("fuzz") / "policy"))


@st.composite
def cells_spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """A file of which one to three cells say something else."""
    rows = [line.split(",") for line in good.decode().splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(
            st.sampled_from(
                ["", "-1", "NaN", "1e999", "Infinity", "9999-12-31", "0001-01-01", "24:00"]
            )
            | st.sampled_from(["true", "null", "v1", "2015-01-01", "100", '"', "a,b", " ", "\0"])
            | texts
        )
    return "\n".join(map(",".join, rows)).encode()


POLICY_FILES = {path.stem: path.read_bytes() for path in policy.POLICY.glob("*.csv")}


@many(600)
@given(
    st.sampled_from(sorted(POLICY_FILES)).flatmap(
        lambda name: st.tuples(
            st.just(name), cells_spoilt(POLICY_FILES[name]) | spoilt(POLICY_FILES[name])
        )
    )
)
def test_a_spoilt_policy_adds_up_or_is_refused_by_file(policies: Path, change) -> None:
    name, data = change
    path = policies / f"{name}.csv"
    path.write_bytes(data)
    try:
        policy.validate(policies)
    except FieldscoreError as refused:
        head, *told = str(refused).split("\n  ")
        assert head == "The policy does not add up:" and told
        for line in told:
            assert re.match(r"\w+\.csv: .", line), line
            assert "\n" not in line
    finally:
        # A night asks for these before it validates, to note them with its run.
        assert policy.version_on(DAY, policies)
        assert policy.fingerprint(policies)
        path.write_bytes(POLICY_FILES[name])


# --- texts that become values in the warehouse ---------------------------------------------------

digits = st.text(st.sampled_from("0123456789-+:./ TZzAPMapm年月日\u0663\u00a0"), max_size=24)
moments = st.datetimes().map(lambda at: at.isoformat(" ")) | st.datetimes().map(
    lambda at: f"{at:%d/%m/}{at.year:04} {at.hour}:{at:%M}"
)
typed = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
    | digits | moments | st.dates().map(str) | st.decimals().map(str) | st.integers().map(str),
    min_size=50, max_size=50,
)  # fmt: skip


@pytest.fixture(scope="module", params=["cluster", "cluster_15"])
def functions(request) -> Iterator[psycopg.Connection]:
    """A migrated warehouse of the newest and of the oldest PostgreSQL."""
    from conftest import database
    from fieldscore import warehouse

    cluster = request.getfixturevalue(request.param)
    url = database(cluster, f"fuzz_{request.param}")
    with warehouse.connect(url, autocommit=True) as connection:
        warehouse.migrate(connection, cluster)
        yield connection


@many(60)
@given(typed)
def test_any_text_becomes_a_value_or_none_and_never_an_error(functions, given_texts) -> None:
    found = functions.execute(
        r"""
        select
            value,
            ops.to_utc(read, 'Europe/Berlin', patterns, templates),
            ops.to_date(read, patterns, templates),
            ops.to_decimal(read), ops.to_integer(read), ops.to_boolean(read), ops.to_zone(read)
        from unnest(%s::varchar[]) as given (value)
        cross join (values (
            array['^(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{1,2})$', '^(\d{4})(\d{2})(\d{2})$'],
            array['\3-\2-\1 \4:\5', '\1-\2-\3']
        )) as said (patterns, templates)
        cross join lateral (
            select ops.delivered(value, '{"?"}', '{"年": "2026-03-09"}')
        ) as words (read)
        """,
        [given_texts],
    ).fetchall()
    assert [row[0] for row in found] == given_texts
    for text, moment, *_ in found:
        written = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?", text)
        if written and "1900" <= text < "2200":
            assert moment is not None, text
            local = datetime.combine(date.fromisoformat(written[1]), time.fromisoformat(written[2]))
            assert timedelta(0) <= local - moment.replace(microsecond=0) <= timedelta(hours=3)
