"""Delivered bytes become a table of text, or a message a person can act on."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from fieldscore import readers
from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError
from hypothesis import given
from hypothesis import strategies as st

AREAS = Declaration(feed="areas")
HEADER = "area_id,name,time_zone,calendar_id"
NORTH = {"area_id": "A1", "name": "North", "time_zone": "Asia/Shanghai", "calendar_id": "std"}
LINE = ",".join(NORTH.values())

SURVEYS = Declaration(
    feed="surveys",
    columns={
        "survey_id": "id",
        "order_id": "order",
        "sent_at": "sent",
        "answered_at": "answered",
        "rating": "stars",
        "updated_at": "changed",
        "respondent_id": "who",
    },
)
SURVEY_HEADER = "id,order,sent,answered,stars,changed,who"


def read(data: bytes | str, name: str = "areas.csv", declaration: Declaration = AREAS):
    data = data.encode() if isinstance(data, str) else data
    return readers.read(data, name, declaration)


def rows(table: readers.Table) -> list[dict[str, Any]]:
    return table.rows.drop("row_number").to_dicts()


def refusal(data: bytes | str, name: str = "areas.csv", declaration: Declaration = AREAS) -> str:
    with pytest.raises(FieldscoreError) as refused:
        read(data, name, declaration)
    assert str(refused.value).startswith(f"{declaration.feed}: {name}: ")
    return str(refused.value)


def xlsx(*lines: list[Any], sheets: int = 1) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        forms = {
            datetime: book.add_format({"num_format": "dd.mm.yyyy hh:mm"}),
            date: book.add_format({"num_format": "dd.mm.yyyy"}),
        }
        for _ in range(sheets):
            sheet = book.add_worksheet()
            for row, line in enumerate(lines):
                for column, value in enumerate(line):
                    if type(value) in forms:
                        sheet.write_datetime(row, column, value, forms[type(value)])
                    else:
                        sheet.write(row, column, value)
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


# --- the formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    {
        "plain.csv": f"{HEADER}\n{LINE}\n".encode(),
        "no-last-line-end.csv": f"{HEADER}\n{LINE}".encode(),
        "crlf.csv": f"{HEADER}\r\n{LINE}\r\n".encode(),
        "old-mac.csv": f"{HEADER}\r{LINE}\r".encode(),
        "bom.csv": f"\ufeff{HEADER}\n{LINE}\n".encode(),
        "quoted.csv": "\n".join(
            f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in (HEADER, LINE)
        ).encode(),
        "blank-lines.csv": f"{HEADER}\n\n{LINE}\n\n\n".encode(),
        "packed.csv.gz": gzip.compress(f"{HEADER}\n{LINE}\n".encode(), mtime=0),
        "UPPER.CSV": f"{HEADER}\n{LINE}\n".encode(),
        "tabs.tsv": f"{HEADER}\n{LINE}\n".replace(",", "\t").encode(),
        "tabs.tsv.gz": gzip.compress(f"{HEADER}\n{LINE}\n".replace(",", "\t").encode(), mtime=0),
        "lines.jsonl": f"{readers.json_text(NORTH)}\n".encode(),
        "bom.jsonl": f"\ufeff{readers.json_text(NORTH)}\r\n\n".encode(),
        "lines.jsonl.gz": gzip.compress(readers.json_text(NORTH).encode(), mtime=0),
        "table.parquet": parquet(**{name: [value] for name, value in NORTH.items()}),
        "book.xlsx": xlsx(list(NORTH), list(NORTH.values())),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_format_gives_the_same_row(name: str, data: bytes) -> None:
    table = read(data, name)
    assert rows(table) == [NORTH]
    assert table.malformed == []
    assert table.new_columns == []


def test_gb18030_is_read_as_declared() -> None:
    declaration = Declaration(feed="areas", encoding="gb18030")
    data = f"{HEADER}\nA1,浦东新区,Asia/Shanghai,std\n"
    assert rows(read(data.encode("gb18030"), declaration=declaration))[0]["name"] == "浦东新区"
    json_data = '{"area_id": "A1", "name": "浦东", "time_zone": "x", "calendar_id": "y"}'
    table = read(json_data.encode("gb18030"), "a.jsonl", declaration)
    assert rows(table)[0]["name"] == "浦东"


def test_a_declared_delimiter_is_used_for_csv() -> None:
    declaration = Declaration(feed="areas", delimiter=";")
    assert rows(read(f"{HEADER}\n{LINE}".replace(",", ";"), declaration=declaration)) == [NORTH]


def test_text_stays_as_delivered_and_an_empty_text_is_no_value() -> None:
    table = read(f'{HEADER}\n 007 ,"a ""b"", c\nd",,""\n')
    assert rows(table) == [
        {"area_id": " 007 ", "name": 'a "b", c\nd', "time_zone": None, "calendar_id": None}
    ]


def test_json_values_become_the_text_they_were_written_as() -> None:
    line = (
        '{"area_id": 12345678901234567890, "name": 12.50, "time_zone": true,'
        ' "calendar_id": {"a": [1.0, "é", null]}}\n{"area_id": "", "time_zone": null}'
    )
    assert rows(read(line, "a.jsonl")) == [
        {
            "area_id": "12345678901234567890",
            "name": "12.50",
            "time_zone": "true",
            "calendar_id": '{"a": [1.0, "é", null]}',
        },
        {"area_id": None, "name": None, "time_zone": None, "calendar_id": None},
    ]


def test_typed_parquet_columns_become_text() -> None:
    east = timezone(timedelta(hours=8))
    data = parquet(
        area_id=[7, None],
        name=[5.0, 2.5],
        time_zone=[Decimal("12.50"), None],
        calendar_id=[datetime(2026, 3, 9, 10, 5, tzinfo=east), None],
        region=[[1, 2], None],
    )
    assert rows(read(data, "a.parquet")) == [
        {
            "area_id": "7",
            "name": "5",
            "time_zone": "12.50",
            "calendar_id": "2026-03-09 02:05:00.000000+00:00",
            "region": "[1,2]",
        },
        {"area_id": None, "name": "2.5", "time_zone": None, "calendar_id": None, "region": None},
    ]
    struct = parquet(**NORTH | {"area_id": [date(2026, 3, 9)], "name": [{"a": 1}]})
    assert rows(read(struct, "a.parquet"))[0] | NORTH == NORTH | {}
    assert rows(read(struct, "a.parquet"))[0]["area_id"] == "2026-03-09"
    assert rows(read(struct, "a.parquet"))[0]["name"] == '{"a":1}'


def test_xlsx_cells_become_text() -> None:
    data = xlsx(
        list(NORTH),
        ["007", 42, datetime(2026, 3, 9, 10, 5, 1), date(2026, 3, 9)],
        [],
        [1.5, "text", True, None],
    )
    table = read(data, "a.xlsx")
    assert [list(row.values()) for row in rows(table)] == [
        ["007", "42", "2026-03-09 10:05:01", "2026-03-09 00:00:00"],
        ["1.5", "text", "true", None],
    ]
    assert table.rows["row_number"].to_list() == [1, 3]


# --- their columns and ours ----------------------------------------------------------------------


def test_columns_are_renamed_constants_added_harmless_ones_kept_and_new_ones_reported() -> None:
    declaration = Declaration(
        feed="areas",
        columns={"area_id": "code", "name": "title", "region": "code", "time_zone": "zone"},
        constants={"calendar_id": "std"},
        harmless=["mood", "absent"],
    )
    table = read(
        "code,title,zone,mood,area_id,phone\nA1,N,Z,,x,1\nA2,S,Z,ok,y,2\n", "a.csv", declaration
    )
    common = {"time_zone": "Z", "calendar_id": "std"}
    assert rows(table) == [
        {"area_id": "A1", "name": "N", "region": "A1", **common, "extra": '{"mood":null}'},
        {"area_id": "A2", "name": "S", "region": "A2", **common, "extra": '{"mood":"ok"}'},
    ]
    assert table.new_columns == ["area_id", "phone"]


def test_without_a_map_optional_columns_may_be_absent() -> None:
    assert "region" not in read(f"{HEADER}\n{LINE}\n").rows


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    told = refusal("area_id,name,calender_id\nA1,North,std\n")
    assert "no column 'time_zone', 'calendar_id'" in told
    assert "the file has 'area_id', 'name', 'calender_id'" in told
    mapped = Declaration(
        feed="areas",
        columns={"area_id": "a", "region": "r"}
        | {name: name for name in ("name", "time_zone", "calendar_id")},
    )
    assert "no column 'r'" in refusal("a,name,time_zone,calendar_id\n1,2,3,4\n", "a.csv", mapped)


def test_in_jsonl_only_columns_every_row_needs_must_be_there(caplog) -> None:
    line = '{"id": 1, "order": 2, "sent": 3, "changed": 4, "stars": 5}'
    assert rows(read(line, "a.jsonl", SURVEYS))[0]["rating"] == "5"
    assert "no record has 'answered' (our answered_at)" in caplog.text
    assert "no column 'sent'" in refusal(line.replace("sent", "Sent"), "a.jsonl", SURVEYS)


def test_a_header_without_any_name_of_ours_is_wrong_and_not_shown() -> None:
    told = refusal("S1,WO7,C-Zhang-San\nS2,WO8,C-Li-Si\n", declaration=SURVEYS)
    assert "the header is wrong: none of its 3 names is one of 'id', 'order'" in told
    assert "Zhang" not in told


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("area_id,name,name,time_zone", "names 'name' more than once"),
        ("area_id,name,,time_zone", "column 3 of the header has no name"),
        ("", "first line is blank"),
        ('area_id,"name', "first line is no header"),
    ],
)
def test_a_header_that_cannot_be_told_apart_is_refused(header: str, reason: str) -> None:
    assert reason in refusal(f"{header}\n1,2,3,4\n")


# --- what is empty, damaged or too large ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"", "empty (0 bytes)"),
        ("a.xlsx", b"", "empty (0 bytes)"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "empty (0 bytes)"),
        ("a.csv", f"{HEADER}\n".encode(), "has no rows"),
        ("a.csv", f"{HEADER}\n\n\r\n".encode(), "has no rows"),
        ("a.jsonl", b"\n", "has no rows"),
        ("a.parquet", parquet(**{name: [] for name in NORTH}), "has no rows"),
        ("a.xlsx", xlsx(list(NORTH)), "has no rows"),
    ],
)
def test_an_empty_delivery_is_refused_unless_declared_right(name: str, data: bytes, reason: str):
    assert reason in refusal(data, name)
    assert "may_be_empty" in refusal(data, name)
    table = read(data, name, Declaration(feed="areas", may_be_empty=True))
    assert table.rows.height == 0
    assert table.rows.schema["row_number"] == pl.Int64


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"%PDF", "unknown file type"),
        ("README", b"x", "unknown file type"),
        ("a.parquet.gz", b"x", "unknown file type"),
        ("a.gz", b"x", "unknown file type"),
        ("a.csv.gz", b"not gzip", "damaged or cut short"),
        ("a.csv.gz", gzip.compress(b"x" * 99, mtime=0)[:-9], "damaged or cut short"),
        (
            "a.csv.gz",
            gzip.compress(b"a,b\n" * 20, mtime=0)[:12] + b"\xff" * 9,
            "damaged or cut short",
        ),
        ("a.parquet", b"PAR1 not really", "not a parquet file"),
        ("a.xlsx", b"not a zip", "not an xlsx file"),
        ("a.xlsx", xlsx(list(NORTH), list(NORTH.values()), sheets=2), "2 visible sheets"),
    ],
)
def test_what_is_no_table_is_refused(name: str, data: bytes, reason: str) -> None:
    assert reason in refusal(data, name)


def test_bytes_that_are_not_the_declared_encoding_are_located_and_not_shown() -> None:
    data = f"{HEADER}\n{LINE}\nA2,浦东,z,c\n".encode("gb18030")
    assert f"byte {data.index('浦'.encode('gb18030'))} (line 3) is not utf-8" in refusal(data)
    told = refusal(b'{"area_id": "\xff"}', "a.jsonl")
    assert "byte 13 (line 1) is not utf-8" in told
    assert "is not gb18030" in refusal(
        f"{HEADER}\n".encode() + b"\xff\xff",
        declaration=Declaration(feed="areas", encoding="gb18030"),
    )


def test_a_bomb_is_not_unpacked(monkeypatch) -> None:
    monkeypatch.setattr(readers, "LARGEST_FILE", 2**20)
    assert "more than 1,048,576 bytes" in refusal(gzip.compress(bytes(2**24), mtime=0), "a.csv.gz")
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(2**24))
    assert "more than 1,048,576 bytes" in refusal(book.getvalue(), "a.xlsx")
    column = pl.Series([0]).new_from_index(0, 2**21)
    assert "more than 1,048,576 bytes" in refusal(parquet(area_id=column), "a.parquet")


# --- lines no row can be made of -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A2,South,Asia/Shanghai", "3 fields where the header has 4"),
        ("A2,South,Asia/Shanghai,std,", "5 fields where the header has 4"),
        ("A2,So\0uth,Asia/Shanghai,std", "holds a NUL byte"),
        (f"A2,{'x' * 2**20},Asia/Shanghai,std", "longer than 1,048,576 bytes"),
        ('A2,"South" side,Asia/Shanghai,std', "not to be split into fields"),
        ('A2,"South,Asia/Shanghai,std', "not to be split into fields"),
    ],
)
@pytest.mark.parametrize("quotes", ["none", "regular", "irregular"])
def test_a_malformed_line_is_set_aside_and_the_rest_kept(line, reason, quotes) -> None:
    last = {"none": "A4,West", "regular": 'A4,"West"', "irregular": 'A4,We"st'}[quotes]
    last = f"{last},Asia/Shanghai,std"
    table = read(f"{HEADER}\n{LINE}\n{line}\n{LINE}\n{last}\n")
    assert table.rows["row_number"].to_list() == [1, 3, 4]
    assert table.rows["area_id"].to_list() == ["A1", "A1", "A4"]
    [malformed] = table.malformed
    assert malformed.row_number == 2
    assert reason in malformed.reason


def test_an_inch_mark_inside_a_field_is_just_text() -> None:
    table = read(f'{HEADER}\nA1,5" pipe,z,c\nA2,6" pipe,z,"c, d"\n')
    assert table.rows["name"].to_list() == ['5" pipe', '6" pipe']
    assert table.rows["calendar_id"].to_list() == ["c", "c, d"]
    assert table.malformed == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "not a JSON object"),
        ("7", "not a JSON object"),
        ('{"area_id": NaN}', "NaN is not JSON"),
        ('{"area_id": "\\ud800"}', "half a character"),
        ('{"area_id": "x\\u0000"}', "NUL byte"),
        ('{"area_id": "A2", "name": "East", "area_id": "A3"}', "holds a name more than once"),
        ("[" * 200_000, "nested too deeply"),
        ('{"area_id": "' + "x" * 2**20 + '"}', "longer than 1,048,576 bytes"),
    ],
)
def test_a_malformed_json_line_is_set_aside_and_the_rest_kept(line: str, reason: str) -> None:
    good = readers.json_text(NORTH)
    table = read(f"{good}\n{line}\n{good}\n", "a.jsonl")
    assert table.rows["row_number"].to_list() == [1, 3]
    [malformed] = table.malformed
    assert malformed.row_number == 2
    assert reason in malformed.reason


def test_personal_values_of_a_malformed_line_are_masked() -> None:
    table = read(f"{SURVEY_HEADER}\nS1,O1,t,t,5,t,张三 13912345678,more\n", "a.csv", SURVEYS)
    assert table.malformed[0].row == {"line": "x9,x9,x,x,9,x,xx 99999999999,xxxx"}
    table = read(f"{SURVEY_HEADER}\nS1,O\0,t,,5,t,Li Si\n", "a.csv", SURVEYS)
    shown = table.malformed[0].row
    assert (shown["survey_id"], shown["order_id"]) == ("S1", "O\u2400")
    assert (shown["answered_at"], shown["respondent_id"]) == (None, "xx xx")


@pytest.mark.parametrize("name", ["*", "^.*$", "'; --", "ä\tb", "__UNNAMED__0"])
def test_any_column_name_is_only_a_name(name) -> None:
    declaration = Declaration(
        feed="areas",
        columns={"area_id": "a", "name": name, "time_zone": "c", "calendar_id": "d"},
        harmless=["^e$", "*e"],
    )
    columns = {
        "a": ["1"],
        name: ["2\0"],
        "c": ["3"],
        "d": ["4"],
        "^e$": ["5"],
        "*e": ["6"],
        "f": ["7"],
    }
    expected = {"area_id": "1", "name": "2", "time_zone": "3", "calendar_id": "4"}
    line = '"' + '","'.join(columns) + '"\n1,2,3,4,5,6,7\n'
    tables = [read(parquet(**columns), "a.parquet", declaration), read(line, "a.csv", declaration)]
    assert tables[0].malformed[0].row == expected | {"name": "2\u2400"}
    assert rows(tables[1]) == [expected | {"extra": '{"*e":"6","^e$":"5"}'}]
    assert [table.new_columns for table in tables] == [["f"], ["f"]]


def test_a_sheet_without_a_cell_is_refused() -> None:
    assert "none of its 0 names" in refusal(xlsx(), "a.xlsx")


def test_rows_that_are_all_malformed_are_still_a_delivery() -> None:
    table = read(f"{HEADER}\nonly\n")
    assert (table.rows.height, len(table.malformed)) == (0, 1)
    [malformed] = read("A1,139", "a.jsonl").malformed
    assert malformed.row == {"line": "x9,999"}


# --- some rows of a file ------------------------------------------------------------------------

ODD = {"area_id": " 2", "name": ["é", None], "time_zone": True, "calendar_id": "\n"}


@pytest.mark.parametrize(
    ("name", "data", "declaration"),
    [
        ("a.csv", f'{HEADER}\n{LINE}\n\n"A 2","a ""b"", c\nd",,\nA3\nA4,é,,'.encode(), AREAS),
        ("a.tsv.gz", gzip.compress(f"{HEADER}\n{LINE}\nA2\n".replace(",", "\t").encode()), AREAS),
        ("a.csv", f"{HEADER}\n{LINE}\n浦\n".replace(",", ";").encode("gb18030"),
         Declaration(feed="areas", delimiter=";", encoding="gb18030")),
        ("a.jsonl", f"{readers.json_text(NORTH)}\n\n{readers.json_text(ODD)}\n{{".encode(), AREAS),
        ("a.parquet", parquet(**{name: [value, "x"] for name, value in NORTH.items()}), AREAS),
        ("a.xlsx", xlsx(list(NORTH), [*NORTH.values()], [1, date(2026, 3, 9), None, "b"]), AREAS),
    ],
)  # fmt: skip
def test_an_excerpt_reads_as_the_rows_it_was_taken_from(name, data, declaration) -> None:
    whole = read(data, name, declaration)
    numbers = [*whole.rows["row_number"], *(row.row_number for row in whole.malformed)]
    assert len(numbers) >= 2
    for wanted in (numbers, numbers[1:], numbers[:1]):
        ending, rows_ = readers.excerpt(data, name, declaration, wanted)
        assert f"a{ending}" in (name.removesuffix(".gz"), "a.csv")
        again = read(rows_, f"a{ending}", declaration)
        chosen = whole.rows.filter(pl.col("row_number").is_in(wanted)).drop("row_number")
        assert again.rows.drop("row_number").fill_null("").to_dicts() == (
            chosen.fill_null("").to_dicts()
        )
        lines = [(row.reason, row.row) for row in whole.malformed if row.row_number in wanted]
        assert [(row.reason, row.row) for row in again.malformed] == lines


# --- two readers, one result ---------------------------------------------------------------------

field = st.text(st.sampled_from('ab,"\n é'), max_size=4)


@given(
    st.lists(st.lists(field, min_size=2, max_size=4).map(tuple), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_the_fast_and_the_careful_csv_reader_agree(records, line_end, always) -> None:
    """Whatever a CSV writer can write, with lines that have a field too few or too many."""

    def written(value: str) -> str:
        return (
            f'"{value.replace(chr(34), chr(34) * 2)}"'
            if always or set(value) & set(',"\n')
            else value
        )

    header = ["h1", "h2", "h3"]
    data = "".join(",".join(map(written, record)) + line_end for record in [header, *records])
    fast = readers._read_fast(data.encode(), ",", header)
    careful = readers._read_careful(data, ",", header)
    assert fast is not None
    assert fast.row_numbers.to_list() == careful.row_numbers.to_list()
    assert fast.rows.fill_null("").rows() == careful.rows.rows()
    assert fast.broken == careful.broken
    good = [record for record in records if len(record) == 3]
    assert careful.rows.rows() == good


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=30))
def test_on_any_text_the_fast_reader_agrees_or_declines(text: str) -> None:
    header = ["h1", "h2"]
    data = f"h1,h2\n{text}\n"
    fast = readers._read_fast(data.encode(), ",", header)
    if fast is not None:
        careful = readers._read_careful(data, ",", header)
        assert fast.rows.fill_null("").rows() == careful.rows.rows()
        assert fast.row_numbers.to_list() == careful.row_numbers.to_list()
        assert fast.broken == careful.broken
