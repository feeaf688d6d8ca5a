"""Deliveries go into raw whole or not at all, once, and without personal values."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fieldscore import hashes, landing, lease
from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings
from fieldscore.sources import Delivery
from psycopg import sql
from psycopg.rows import dict_row

DAY = date(2026, 3, 9)
KEY = bytes(range(32))
AREAS = Declaration(feed="areas")
HEADER = "area_id,name,time_zone,calendar_id"
NORTH = "A1,North,Asia/Shanghai,std"
SOUTH = "A2,South,Asia/Shanghai,std"

SURVEYS = Declaration(feed="surveys", null_tokens=["unknown"])
SURVEY_HEADER = "survey_id,order_id,sent_at,answered_at,rating,updated_at,respondent_id,comment"


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def delivery(text: str, name: str = "a.csv", feed: str = "areas", day: date = DAY) -> Delivery:
    return Delivery(feed, day, name, text.encode())


def land(warehouse, text: str, declaration: Declaration = AREAS, **where: Any):
    where.setdefault("feed", declaration.feed)
    return landing.land(warehouse.url, declaration, delivery(text, **where), KEY)


def table(warehouse, name: str, order: str = "load_id, row_number") -> list[dict[str, Any]]:
    with warehouse.connect(row_factory=dict_row) as connection:
        query = sql.SQL("select * from {} order by {}").format(
            sql.Identifier(*name.split(".")), sql.SQL(order)
        )
        return connection.execute(query).fetchall()


def loads(warehouse) -> list[dict[str, Any]]:
    return table(warehouse, "ops.loads", "load_id")


def test_a_delivery_is_in_raw_as_delivered_with_where_it_came_from(warehouse) -> None:
    landed = land(warehouse, lines(HEADER, f" A1 ,,{NORTH[9:]}", SOUTH))
    assert (landed.rows, landed.unchanged, landed.malformed) == (2, 0, 0)
    [load] = loads(warehouse)
    assert (load["feed"], load["business_date"], load["file"]) == ("areas", DAY, "a.csv")
    assert (load["load_id"], load["rows_delivered"]) == (landed.load_id, 2)
    first, second = table(warehouse, "raw.areas")
    assert (first["load_id"], first["row_number"], len(first["row_hash"])) == (
        load["load_id"],
        1,
        16,
    )
    assert (first["area_id"], first["name"], first["region"], first["extra"]) == (
        " A1 ",
        *[None] * 3,
    )
    assert (second["area_id"], second["name"], second["calendar_id"]) == ("A2", "South", "std")
    assert first["row_hash"] != second["row_hash"]


def test_the_same_file_again_changes_nothing(warehouse) -> None:
    text = lines(HEADER, NORTH)
    assert land(warehouse, text) is not None
    before = table(warehouse, "raw.areas"), loads(warehouse)
    assert land(warehouse, text) is None
    assert (table(warehouse, "raw.areas"), loads(warehouse)) == before
    assert table(warehouse, "ops.unchanged_rows") == []


def test_a_row_raw_already_holds_is_only_noted(warehouse) -> None:
    land(warehouse, lines(HEADER, NORTH))
    changed = SOUTH.replace("South", "Southern")
    landed = land(warehouse, lines(HEADER, SOUTH, NORTH, SOUTH, changed), name="b.csv")
    assert (landed.rows, landed.unchanged) == (4, 2)
    new = [row for row in table(warehouse, "raw.areas") if row["load_id"] == landed.load_id]
    assert [(row["row_number"], row["name"]) for row in new] == [(1, "South"), (4, "Southern")]
    noted = table(warehouse, "ops.unchanged_rows")
    assert [(row["row_number"], row["feed"]) for row in noted] == [(2, "areas"), (3, "areas")]
    held = {row["row_number"]: row["row_hash"] for row in new}
    assert noted[1]["row_hash"] == held[1]
    with warehouse.connect() as connection:
        [[accounted]] = connection.execute(
            "select rows_delivered - 2 - 2 from ops.loads where load_id = %s", [landed.load_id]
        ).fetchall()
    assert accounted == 0


def test_malformed_lines_are_kept_masked_beside_the_rows(warehouse) -> None:
    good = "S1,O1,t,t,5,t,,"
    landed = land(warehouse, lines(SURVEY_HEADER, good, "S2,Zhang San,7", good), SURVEYS)
    assert (landed.rows, landed.unchanged, landed.malformed) == (3, 1, 1)
    [malformed] = table(warehouse, "ops.malformed_rows")
    assert malformed["row_number"] == 2
    assert malformed["reason"] == "3 fields where the header has 8"
    assert malformed["row"] == {"line": "x9,xxxxx xxx,9"}


def test_a_nul_byte_rejects_its_row_not_the_file(warehouse) -> None:
    landed = land(warehouse, lines(HEADER, NORTH, SOUTH.replace("u", "\0")))
    assert (landed.rows, landed.malformed) == (2, 1)
    [malformed] = table(warehouse, "ops.malformed_rows")
    assert malformed["row"]["name"] == "So\u2400th"


def test_a_malformed_correction_shows_no_new_value(warehouse) -> None:
    header = "correction_id,target_feed,target_key,field,new_value,reason,decided_at,decision"
    row = "K1,work_orders,O1,customer_id,C-47\00011,typo,t,upheld"
    landed = land(warehouse, lines(header, row), Declaration(feed="corrections"))
    assert (landed.rows, landed.malformed) == (1, 1)
    [malformed] = table(warehouse, "ops.malformed_rows")
    assert malformed["row"]["field"] == "customer_id"
    assert malformed["row"]["new_value"].replace("\u2400", "?") == "x-99?99"


def test_the_harmless_columns_are_kept_as_json(warehouse) -> None:
    declaration = Declaration(feed="areas", harmless=["made_sla", "note"])
    header = f"{HEADER},made_sla,note,secret"
    landed = land(
        warehouse, lines(header, f'{NORTH},true,"a ""b"", é",x', f"{SOUTH},,,y"), declaration
    )
    assert landed.new_columns == ["secret"]
    assert [row["extra"] for row in table(warehouse, "raw.areas")] == [
        {"made_sla": "true", "note": 'a "b", é'},
        {"made_sla": None, "note": None},
    ]
    assert land(warehouse, lines(header, f"{SOUTH},,,z"), declaration, name="b.csv").unchanged == 1
    assert land(warehouse, lines(header, f"{SOUTH},x,,z"), declaration, name="c.csv").unchanged == 0


# --- personal values -----------------------------------------------------------------------------


def test_personal_values_are_stored_as_keyed_hashes_alone(warehouse) -> None:
    row = "S{},O1,t,t,5,t,{},{}"
    text = lines(
        SURVEY_HEADER,
        row.format(1, "Zhang  San", "great"),
        row.format(2, " ＺＨＡＮＧ san\u3000", ""),  # noqa: RUF001 - full-width letters and blank
        row.format(3, "Li Si", "unknown"),
        row.format(4, "NULL", "\u200b"),
        row.format(5, " unknown ", " "),
    )
    land(warehouse, text, SURVEYS)
    stored = table(warehouse, "raw.surveys")
    respondents = [row["respondent_id"] for row in stored]
    assert respondents[0] == respondents[1] == hashes.keyed_hash("zhang san", KEY)
    assert respondents[2] not in (None, respondents[0])
    assert respondents[3:] == [None, None]
    assert len(stored[0]["comment"]) == 32
    assert [row["comment"] for row in stored[1:]] == [None] * 4
    assert not any(word in str(stored).casefold() for word in ("zhang", "li si", "great"))


def test_declared_personal_columns_are_hashed_too_and_the_key_matters(warehouse) -> None:
    declaration = Declaration(feed="areas", personal=["name"])
    land(warehouse, lines(HEADER, NORTH), declaration)
    [row] = table(warehouse, "raw.areas")
    assert row["name"] == hashes.keyed_hash("NORTH", KEY)
    assert row["name"] != hashes.keyed_hash("NORTH", KEY[::-1])
    assert row["area_id"] == "A1"


def test_the_key_is_made_once_per_home_and_refused_when_it_is_none(settings, monkeypatch) -> None:
    key = hashes.personal_key(settings)
    assert len(key) == 32
    assert hashes.personal_key(settings) == key
    for wrong in ("not hexadecimal", "abcd"):
        monkeypatch.setenv("FIELDSCORE_PERSONAL_KEY", wrong)
        with pytest.raises(FieldscoreError, match="personal_key"):
            hashes.personal_key(settings)


# --- row hashes ----------------------------------------------------------------------------------


def hashes_of(**columns: list[str | None]) -> list[bytes]:
    schema = dict.fromkeys(columns, pl.String)
    return hashes.row_hashes(pl.DataFrame(columns, schema)).to_list()


def test_a_row_keeps_its_hash_when_empty_columns_come_and_columns_change_places() -> None:
    [known] = hashes_of(a=["1"], b=["2"])
    assert known == bytes.fromhex("c749895a69e485177f1e022d6088836b")  # never changes: raw holds it
    assert hashes_of(b=["2"], c=[None], a=["1"], a0=[None]) == [known]
    numbered = pl.DataFrame({"row_number": [7], "a": ["1"], "b": ["2"]})
    assert hashes.row_hashes(numbered).to_list() == [known]


def test_rows_that_differ_have_hashes_that_differ() -> None:
    different = [
        {"a": "1", "b": "2"},
        {"a": "12", "b": None},
        {"a": None, "b": "12"},
        {"a": "2", "b": "1"},
        {"a": "1\x1eb\x1f2", "b": None},
        {"a": "1\x1e", "b": "2"},
        {"a": "1", "b": "\x1e2"},
        {"a": "1\x1e\x1eb\x1f2", "b": None},
        {"a": None, "b": None},
    ]
    found = hashes_of(a=[row["a"] for row in different], b=[row["b"] for row in different])
    assert len(set(found)) == len(different)


# --- transactions --------------------------------------------------------------------------------


def assert_nothing_is_kept(warehouse) -> None:
    for name in ("raw.areas", "ops.unchanged_rows", "ops.malformed_rows"):
        assert table(warehouse, name) == []
    assert loads(warehouse) == []
    assert table(warehouse, "ops.cursors", "feed") == []
    assert table(warehouse, "ops.delivered_files", "feed") == []


def test_a_guard_that_refuses_leaves_nothing_behind(warehouse) -> None:
    full = Delivery(
        "areas", DAY, "a.csv", lines(HEADER, NORTH, NORTH, "x").encode(), "mark", "cursor"
    )
    with pytest.raises(FieldscoreError, match="no longer holds the lease"):
        landing.land(warehouse.url, AREAS, full, KEY, lambda within: lease.check(within, 7))
    assert_nothing_is_kept(warehouse)
    seen = []
    landing.land(
        warehouse.url,
        AREAS,
        full,
        KEY,
        lambda within: seen.append(within.execute("select count(*) from raw.areas").fetchone()),
    )
    assert seen == [(1,)]  # asked last, within the transaction
    assert [
        len(table(warehouse, f"ops.{name}", "feed")) for name in ("cursors", "delivered_files")
    ] == [1, 1]


def test_a_night_that_holds_the_lease_may_land(warehouse) -> None:
    with warehouse.connect() as connection:
        [run_id] = connection.execute(
            "insert into ops.runs (business_date, as_of, status, code_version)"
            " values (%s, %s, 'running', 'x') returning run_id",
            [DAY, DAY],
        ).fetchone()
    text = delivery(lines(HEADER, NORTH))
    landed = landing.land(
        warehouse.url, AREAS, text, KEY, lambda within: lease.check(within, run_id)
    )
    assert landed.rows == 1


def test_an_error_half_way_leaves_nothing_behind(warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute("alter table ops.malformed_rows add check (row_number < 2)")
    with pytest.raises(Exception, match="malformed_rows"):
        land(warehouse, lines(HEADER, NORTH, "too few"))
    assert_nothing_is_kept(warehouse)


def test_two_at_once_land_a_row_once(warehouse) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(within: Any) -> None:
        inside.set()
        assert go_on.wait(10)

    def first() -> None:
        landing.land(warehouse.url, AREAS, delivery(lines(HEADER, NORTH)), KEY, hold)

    landed = []
    threads = [
        threading.Thread(target=first),
        threading.Thread(
            target=lambda: landed.append(land(warehouse, lines(HEADER, NORTH, SOUTH), name="b.csv"))
        ),
        threading.Thread(target=lambda: landed.append(land(warehouse, lines(HEADER, NORTH)))),
    ]
    threads[0].start()
    assert inside.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert sorted(row["area_id"] for row in table(warehouse, "raw.areas")) == ["A1", "A2"]
    assert None in landed  # the same file, waited for and found landed
    assert [load.unchanged for load in landed if load] == [1]


def test_hostile_names_are_only_text(warehouse) -> None:
    evil = "x'); drop schema raw cascade; --\n%s $1 {}.csv"
    declaration = Declaration(feed="areas", harmless=[evil])
    header = f'{HEADER},"{evil}",""";drop"'
    landed = land(warehouse, lines(header, f"{NORTH},1,2"), declaration, name=evil)
    assert landed.new_columns == ['";drop']
    assert loads(warehouse)[0]["file"] == evil
    assert table(warehouse, "raw.areas")[0]["extra"] == {evil: "1"}


# --- a feed's night ------------------------------------------------------------------------------


def put(settings: Settings, day: str, name: str, text: str, feed: str = "areas") -> Path:
    path = Path(settings.landing, feed, day, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def night(settings: Settings, day: date = DAY) -> tuple[list[landing.Landed], list[str]]:
    said: list[str] = []
    landed = landing.land_feed(settings, settings.database_url, AREAS, day, say=said.append)
    return landed, said


def test_a_night_lands_what_the_ledger_lacks_up_to_its_date(settings, warehouse) -> None:
    put(settings, "2026-03-08", "a.csv", lines(HEADER, NORTH))
    put(settings, "2026-03-09", "a.csv", lines(f"{HEADER},new", f"{NORTH},1", "x"))
    put(settings, "2026-03-10", "a.csv", lines(HEADER, SOUTH))
    landed, said = night(settings)
    assert [(load.rows, load.unchanged, load.malformed) for load in landed] == [
        (1, 0, 0),
        (2, 1, 1),
    ]
    assert said[1].startswith("areas 2026-03-09 'a.csv': 2 rows, 1 unchanged, 1 malformed, ")
    assert said[2] == "areas 2026-03-09 'a.csv': undeclared columns, not kept: ['new']"
    assert night(settings) == ([], [])
    put(settings, "2026-03-08", "late.csv", lines(HEADER, SOUTH))
    assert [load.rows for load in night(settings)[0]] == [1]
    assert [load.unchanged for load in night(settings, date(2026, 3, 10))[0]] == [1]


def test_a_file_that_only_looks_changed_is_read_once_more_and_not_landed(settings) -> None:
    path = put(settings, "2026-03-09", "a.csv", lines(HEADER, NORTH))
    night(settings)
    path.touch()
    assert night(settings) == ([], ["areas 2026-03-09 'a.csv': landed before"])
    assert night(settings) == ([], [])
    path.write_text(lines(HEADER, NORTH, SOUTH))
    [load] = night(settings)[0]
    assert (load.rows, load.unchanged) == (2, 1)


def test_what_landed_before_a_bad_file_stays_landed(settings, warehouse) -> None:
    put(settings, "2026-03-08", "a.csv", lines(HEADER, NORTH))
    bad = put(settings, "2026-03-09", "a.csv", "")
    with pytest.raises(FieldscoreError, match=r"areas: 2026-03-09/a.csv: the file is empty"):
        night(settings)
    assert [load["business_date"] for load in loads(warehouse)] == [date(2026, 3, 8)]
    bad.write_text(lines(HEADER, SOUTH))
    assert [load.rows for load in night(settings)[0]] == [1]


def test_an_empty_file_that_may_be_is_in_the_ledger(warehouse) -> None:
    declaration = Declaration(feed="areas", may_be_empty=True)
    assert land(warehouse, "", declaration).rows == 0
    assert land(warehouse, f"{HEADER}\n", declaration, name="b.csv").rows == 0
    assert [load["rows_delivered"] for load in loads(warehouse)] == [0, 0]
