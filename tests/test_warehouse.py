"""Rooms, connections, the reading role; how text is read, on the oldest and newest PostgreSQL."""
# ruff: noqa: RUF001 - full-width digits are what must not be read as digits

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from conftest import database
from fieldscore import access, roles
from fieldscore import warehouse as rooms
from fieldscore.canonical import PROVENANCE, Column, Feed, canonical_feeds
from fieldscore.errors import FieldscoreError, PassingFault

SCHEMAS = {"raw", "staging", "intermediate", "audit", "marts", "ops", "policy"}


@pytest.fixture(scope="module", params=["cluster", "cluster_15"], ids=["current", "15"])
def functions(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A connection to a migrated warehouse, in a session that reads dates in its own odd way."""
    cluster = request.getfixturevalue(request.param)
    with rooms.connect(database(cluster, "functions"), autocommit=True) as connection:
        rooms.migrate(connection, cluster)
        connection.execute("set timezone = 'America/New_York'")
        connection.execute("set datestyle = 'SQL, DMY'")
        yield connection


def columns_of(connection: psycopg.Connection, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'raw' and table_name = %s order by ordinal_position",
        [table],
    ).fetchall()


# -- rooms


def test_a_migration_makes_every_room_and_every_raw_table(warehouse):
    with warehouse.connect() as connection:
        schemas = connection.execute("select nspname from pg_namespace").fetchall()
        assert {(name,) for name in SCHEMAS} <= set(schemas)
        for feed in canonical_feeds().values():
            assert columns_of(connection, feed.name) == [
                *((name, type_.removesuffix(" not null")) for name, type_ in PROVENANCE.items()),
                *((name, "character varying") for name in feed.columns),
            ]
            indexes = connection.execute(
                "select string_agg(indexdef, ' ') from pg_indexes where schemaname = 'raw'"
                " and tablename = %s",
                [feed.name],
            ).fetchone()[0]
            assert "using brin (load_id)" in indexes.lower()
            assert "using btree (row_hash)" in indexes.lower()


def test_a_second_migration_changes_nothing(warehouse, settings):
    with warehouse.connect() as connection:
        connection.execute(
            "insert into raw.surveys (load_id, row_number, survey_id) values (1, 1, 's1')"
        )
        before = columns_of(connection, "surveys")
        rooms.migrate(connection, settings)
        assert columns_of(connection, "surveys") == before
        assert connection.execute("select survey_id from raw.surveys").fetchall() == [("s1",)]


def test_the_keys_of_earlier_versions_give_way_and_the_rows_stay(warehouse, settings):
    with warehouse.connect() as connection:

        def indexes() -> list[tuple[Any, ...]]:
            return connection.execute(
                "select tablename, indexname, indexdef, format('%I.%I', schemaname, indexname)"
                "::regclass::oid from pg_indexes where schemaname = 'raw'"
                " or tablename = 'unchanged_rows' order by 1, 2"
            ).fetchall()

        def rows() -> list[list[tuple[Any, ...]]]:
            tables = ("raw.areas", "ops.unchanged_rows")
            return [connection.execute(f"table {name}").fetchall() for name in tables]

        definitions = [index[:3] for index in indexes()]
        for name, index in [
            ("raw.areas", "raw.areas_by_load, raw.areas_by_row_hash"),
            ("ops.unchanged_rows", "ops.unchanged_rows_by_load"),
        ]:
            connection.execute(f"drop index {index}")
            connection.execute(f"alter table {name} add primary key (load_id, row_number)")
        connection.execute("create index areas_by_hash on raw.areas using hash (row_hash)")
        connection.execute(
            "insert into raw.areas (load_id, row_number, row_hash, area_id)"
            " values (1, 1, 'x', 'A1')"
        )
        connection.execute("insert into ops.unchanged_rows values (2, 1, 'areas', 'x')")
        held = rows()
        rooms.migrate(connection, settings)
        assert [index[:3] for index in indexes()] == definitions
        assert rows() == held and all(held)
        # A second time nothing is made anew, nor asked for by a lock that would stop a landing.
        made = indexes()
        connection.commit()
        with warehouse.connect() as landing, landing.transaction():
            landing.execute("lock table raw.areas, ops.unchanged_rows in row exclusive mode")
            connection.execute("set lock_timeout = '2s'")
            connection.commit()
            rooms.migrate(connection, settings)
        assert indexes() == made


def test_a_new_canonical_column_is_added_to_a_filled_raw_table(warehouse, settings, monkeypatch):
    feeds = dict(canonical_feeds())
    surveys = feeds["surveys"]
    feeds["surveys"] = Feed("surveys", True, {**surveys.columns, "mood": Column("mood")})
    feeds["moods"] = Feed("moods", False, {"mood_id": Column("mood_id")})
    monkeypatch.setattr(rooms, "canonical_feeds", lambda: feeds)
    with warehouse.connect() as connection:
        connection.execute("insert into raw.surveys (load_id, row_number) values (1, 1)")
        rooms.migrate(connection, settings)
        assert connection.execute("select mood from raw.surveys").fetchall() == [(None,)]
        assert columns_of(connection, "moods")[-1] == ("mood_id", "character varying")


def test_a_migration_that_fails_leaves_nothing_behind(cluster, settings, monkeypatch):
    url = database(cluster, f"half_{os.urandom(4).hex()}")
    monkeypatch.setattr(rooms, "PROVENANCE", {**PROVENANCE, "bad": "no_such_type"})
    with rooms.connect(url) as connection:
        with pytest.raises(psycopg.errors.UndefinedObject):
            rooms.migrate(connection, settings)
        assert not connection.execute(
            "select 1 from pg_namespace where nspname in ('raw', 'ops', 'marts')"
        ).fetchall()


def test_migrations_of_two_databases_at_once_share_the_role(cluster_15):
    urls = [database(cluster_15, f"at_once_{number}") for number in range(3)]

    def migrate(url: str) -> None:
        with rooms.connect(url) as connection:
            rooms.migrate(connection, cluster_15)

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(migrate, urls * 3))
    for url in urls:
        with rooms.connect(url) as connection:
            assert connection.execute("select count(*) from ops.loads").fetchone() == (0,)


def test_what_a_dead_night_left_on_the_server_ends_soon(warehouse, settings):
    with warehouse.connect() as connection:
        rooms.migrate(connection, settings)
    with warehouse.connect() as connection:
        for name, value in rooms.OWNER_SETTINGS.items():
            assert connection.execute(f"show {name}").fetchone() == (value,)


# -- connections


def test_the_embedded_server_is_started_when_there_is_no_other(cluster):
    assert rooms.database_url(cluster).startswith("postgresql://fieldscore:")
    with rooms.connect(cluster) as connection:
        assert connection.info.parameter_status("application_name") == "fieldscore"


def test_options_of_a_connection_win_over_the_usual_ones(warehouse):
    with warehouse.connect(application_name="fieldscore run 7", autocommit=True) as connection:
        assert connection.autocommit
        assert connection.info.parameter_status("application_name") == "fieldscore run 7"


@pytest.mark.parametrize("major", [14, 19])
def test_another_version_of_postgresql_is_refused_by_name(warehouse, monkeypatch, major):
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", major * 10000 + 3)
    with pytest.raises(FieldscoreError, match=rf"PostgreSQL {major};.*15 to 18"):
        warehouse.connect()


def test_a_server_that_does_not_answer_is_a_passing_fault(settings):
    nobody = dataclasses.replace(settings, database_url="postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(PassingFault, match=r"does not answer.*port 1") as told:
        rooms.database_url(nobody)
    assert "secret" not in str(told.value)


def test_what_is_no_url_is_refused_without_repeating_the_password(settings):
    wrong = dataclasses.replace(settings, database_url="mysql://me:geheim@somewhere/x")
    with pytest.raises(FieldscoreError, match="FIELDSCORE_DATABASE_URL") as told:
        rooms.database_url(wrong)
    assert "geheim" not in str(told.value)
    assert told.value.__cause__ is None


UNENCODED = "template0 encoding 'SQL_ASCII' locale_provider libc locale 'C'"


def test_a_database_that_is_not_utf8_is_refused(cluster, settings):
    url = database(cluster, f"latin_{os.urandom(4).hex()}", UNENCODED)
    with rooms.connect(url) as connection, pytest.raises(FieldscoreError, match="UTF8"):
        rooms.migrate(connection, settings)


# -- the reading role


def a_mart(owner: psycopg.Connection) -> None:
    """A mart of one row that names nobody, let be read."""
    owner.execute("create table marts.publication as select 7 as run_id")
    access.guard(owner, "publication", ["run_id"])


def test_the_reader_reads_a_mart_once_its_rows_are_guarded(warehouse, settings):
    with warehouse.connect() as owner:
        owner.execute("create table marts.not_yet (technician_id varchar)")
        a_mart(owner)
    with psycopg.connect(rooms.reader_url(settings), autocommit=True) as reader:
        assert reader.execute("select run_id from publication").fetchall() == [(7,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not_yet"):
            reader.execute("table not_yet")


def test_the_reader_sees_no_other_room(warehouse, settings):
    with warehouse.connect() as owner:
        for schema in SCHEMAS - {"marts"}:
            owner.execute(f"create table {schema}.probe as select 'personal' as value")
        owner.execute("create table public.probe as select 'personal' as value")
        owner.execute("grant select on public.probe to public")
    with psycopg.connect(rooms.reader_url(settings), autocommit=True) as reader:
        for schema in [*SCHEMAS - {"marts"}, "public"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema"):
                reader.execute(f"select * from {schema}.probe")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select ops.to_integer('1')")


def test_the_reader_writes_nothing_even_when_he_asks_to(warehouse, settings):
    with warehouse.connect() as owner:
        # Rights on the database itself are not in the template.
        rooms.migrate(owner, settings)
        a_mart(owner)
    with psycopg.connect(rooms.reader_url(settings), autocommit=True) as reader:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("delete from publication")
        reader.execute("set default_transaction_read_only = off")
        for statement in (
            "delete from publication",
            "create table marts.mine (x int)",
            "create temporary table mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
        [attributes] = reader.execute(
            "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
            " from pg_roles where rolname = current_user"
        ).fetchone()
        assert attributes is False


def test_the_reader_reads_one_state_and_not_for_ever(settings):
    with psycopg.connect(rooms.reader_url(settings)) as reader:
        for name, value in roles.READER_SETTINGS.items():
            assert reader.execute(f"show {name}").fetchone() == (value,)
        assert reader.execute("show transaction_isolation").fetchone() == ("repeatable read",)


def test_the_readers_password_is_checked_and_never_sent_as_it_is(settings, warehouse):
    password = urlsplit(rooms.reader_url(settings)).password
    assert password == settings.secret("reader_password")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(rooms.reader_url(settings).replace(password, "guessed"))
    with warehouse.connect() as owner:
        [kept] = owner.execute(
            "select rolpassword from pg_authid where rolname = %s", [roles.READER]
        ).fetchone()
    assert kept.startswith("SCRAM-SHA-256$") and password not in kept


def test_an_owner_who_may_not_make_roles_is_told_what_to_ask_for(cluster, settings):
    name = f"modest_{os.urandom(4).hex()}"
    with rooms.connect(cluster, autocommit=True) as server:
        server.execute(f"create role {name} login password 'modest'")
        server.execute(f"create database {name} owner {name}")
    url = urlsplit(rooms.database_url(cluster))
    modest = f"postgresql://{name}:modest@127.0.0.1:{url.port}/{name}"
    with (
        rooms.connect(modest) as connection,
        pytest.raises(FieldscoreError, match=f'alter role "{name}" createrole'),
    ):
        rooms.migrate(connection, settings)


@pytest.mark.parametrize(
    "place",
    [
        {"host": "db.example", "port": "5433", "dbname": "house"},
        {"host": "db.example", "dbname": "a b/c", "sslmode": "require"},
        {"host": "/var/run/postgresql", "dbname": "house"},
        {"host": "::1", "port": "5432", "dbname": "house"},
        {"host": "one,two", "port": "1,2", "dbname": "house"},
    ],
)
def test_the_readers_url_says_the_same_place(place):
    told = {**place, "user": "fieldscore_reader", "password": "p@ss:w/rd"}
    assert psycopg.conninfo.conninfo_to_dict(rooms._url(told)) == told


# -- how delivered text is read

SHANGHAI = "Asia/Shanghai"
BERLIN = "Europe/Berlin"


def at(*parts: int) -> datetime:
    return datetime(*parts)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-03-09", SHANGHAI, at(2026, 3, 8, 16)),
        ("2026-03-09 10:00", SHANGHAI, at(2026, 3, 9, 2)),
        ("2026-03-09 10:00:05", SHANGHAI, at(2026, 3, 9, 2, 0, 5)),
        ("2026-03-09T10:00:05", SHANGHAI, at(2026, 3, 9, 2, 0, 5)),
        ("2026-03-09 9:05", SHANGHAI, at(2026, 3, 9, 1, 5)),
        ("2026-03-09T10:00:00.123", SHANGHAI, at(2026, 3, 9, 2, 0, 0, 123000)),
        ("2026-03-09T10:00:00.1234567", SHANGHAI, at(2026, 3, 9, 2, 0, 0, 123457)),
        ("2026-03-09T10:00:00Z", SHANGHAI, at(2026, 3, 9, 10)),
        ("2026-03-09T10:00:00.000Z", SHANGHAI, at(2026, 3, 9, 10)),
        ("2026-03-09T10:00:00+08:00", BERLIN, at(2026, 3, 9, 2)),
        ("2026-03-09T10:00:00.123+08:00", BERLIN, at(2026, 3, 9, 2, 0, 0, 123000)),
        ("2026-03-09 10:00:00 +0800", BERLIN, at(2026, 3, 9, 2)),
        ("2026-03-09 10:00-03", BERLIN, at(2026, 3, 9, 13)),
        ("2026-03-09 10:00 PM", SHANGHAI, at(2026, 3, 9, 14)),
        ("2026-03-09 12:30 AM", SHANGHAI, at(2026, 3, 8, 16, 30)),
        ("2024-02-29 12:00", "UTC", at(2024, 2, 29, 12)),
        ("2000-02-29 12:00", "UTC", at(2000, 2, 29, 12)),
        ("1900-01-01 00:00", "UTC", at(1900, 1, 1)),
        ("2200-12-31 23:59:59", "UTC", at(2200, 12, 31, 23, 59, 59)),
        # Summer time: skipped local times move on by the hour, doubled ones are winter's.
        ("2026-03-29 02:30", BERLIN, at(2026, 3, 29, 1, 30)),
        ("2026-10-25 02:30", BERLIN, at(2026, 10, 25, 1, 30)),
        ("2026-07-01 12:00", BERLIN, at(2026, 7, 1, 10)),
        ("2026-01-01 12:00", BERLIN, at(2026, 1, 1, 11)),
    ],
)
def test_a_moment_is_read_as_utc(functions, text, zone, moment):
    query = "select ops.to_utc(%s, %s, '{}', '{}')"
    assert functions.execute(query, [text, zone]).fetchone() == (moment,)


NO_MOMENT = [
    "", " ", "now", "today", "epoch", "infinity", "-infinity", "allballs", "null", "n/a",
    "2026-02-30", "2026-02-30 10:00", "2023-02-29", "2100-02-29 10:00", "2026-04-31", "2026-11-31",
    "2026-13-01", "2026-00-10", "2026-01-00", "2026-01-32", "2026-3-9", "2026-3-9 10:00",
    "2026-03-09 24:00", "2026-03-09 25:00", "2026-03-09 10:60", "2026-03-09 10:00:60",
    "2026-03-09 13:00 PM", "2026-03-09 10", "2026-03-09 10:", "2026-03-09T", "2026-03-09Z",
    "2026-03-09 10:00+16:00", "2026-03-09 10:00+08:60", "2026-03-09 10:00 CST",
    "2026-03-09 10:00 Asia/Shanghai", "2026-03-09 10:00:00 BC", "2026-03-09 BC", "2026-03-09 now",
    "1899-12-31", "2201-01-01", "0000-01-01", "9999-12-31", "12026-03-09", "20260309",
    "09/03/2026", "2026/03/09", "2026-03-09 -1:00:00", "2026-03-09 10:00:00.", "2026-03-09  10:00",
    "2026-03-09 10:00 PM +08:00", "２０２６-０３-０９", "2026-W11-1", "2026-068", "1773021600",
    "2026-03-09 10:00; drop table ops.loads", "2026-03-09\n10:00", "2026-03-09 10:00\n",
]  # fmt: skip


def test_what_is_no_moment_and_no_day_is_null_and_never_an_error(functions):
    rows = functions.execute(
        "select value, ops.to_utc(value, 'UTC', '{}', '{}'), ops.to_date(value, '{}', '{}')"
        " from unnest(%s::varchar[]) as given (value)",
        [NO_MOMENT],
    ).fetchall()
    assert [row[0] for row in rows] == NO_MOMENT
    assert [row for row in rows if row[1:] != (None, None)] == []


def test_an_unknown_zone_is_an_error_not_utc(functions):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="Mars/Base"):
        functions.execute("select ops.to_utc('2026-03-09 10:00', 'Mars/Base', '{}', '{}')")


PATTERNS = [
    r"^(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{1,2})$",
    r"^(\d{4})年(\d{1,2})月(\d{1,2})日$",
    r"^(\d{1,2})\.(\d{1,2})\.(\d{4}) (\d{1,2}):(\d{1,2})([AaPp][Mm])$",
    r"^(\d{4})(\d{2})(\d{2})$",
    r"^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(Z|[+-]\d{2}(?::?\d{2})?)$",
    r"^([AaPp][Mm]) (\d{1,2}):(\d{1,2}) (\d{1,2})-(\d{1,2})-(\d{4})$",
    r"^(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{1,2})$",
]
TEMPLATES = [
    r"\3-\2-\1 \4:\5",
    r"\1-\2-\3",
    r"\3-\1-\2 \4:\5 \6",
    r"\1-\2-\3",
    r"\1-\2-\3 \4:\5:\6\7",
    r"\6-\5-\4 \2:\3 \1",
    r"\3-\1-\2 \4:\5",
]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("29/2/2016 1:05", at(2016, 2, 28, 17, 5)),
        ("2/29/2016 1:05", None),  # the first pattern that matches decides
        ("31/4/2016 10:00", None),
        ("1/1/2016 24:00", None),
        ("2026年3月9日", at(2026, 3, 8, 16)),
        ("3.9.2026 10:05pm", at(2026, 3, 9, 14, 5)),
        ("3.9.2026 13:05pm", None),
        ("20260309", at(2026, 3, 8, 16)),
        ("20260309T100005+0900", at(2026, 3, 9, 1, 0, 5)),
        ("PM 10:05 9-3-2026", at(2026, 3, 9, 14, 5)),
        ("2026-03-09 10:00", at(2026, 3, 9, 2)),
        ("9 March 2026", None),
        ("1/1/1816 10:00", None),
    ],
)
def test_other_formats_are_read_by_the_declared_patterns(functions, text, moment):
    query = "select ops.to_utc(%s, 'Asia/Shanghai', %s, %s)"
    assert functions.execute(query, [text, PATTERNS, TEMPLATES]).fetchone() == (moment,)


def test_the_quick_rewriting_says_what_regexp_replace_says(functions):
    texts = ["29/2/2016 1:05", "2026年3月9日", "3.9.2026 10:05pm", "20260309", "PM 10:05 9-3-2026",
             "20260309T100005+09:30", "20260309T100005Z", "31/12/2026 23:59"]  # fmt: skip
    rows = functions.execute(
        "select ops.rewritten(value, pattern, template), regexp_replace(value, pattern, template)"
        " from unnest(%s::varchar[]) as given (value), unnest(%s::varchar[], %s::varchar[])"
        " as form (pattern, template) where value ~ pattern",
        [texts, PATTERNS, TEMPLATES],
    ).fetchall()
    assert len(rows) == 10
    assert [row for row in rows if row[0] != row[1]] == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-09", date(2026, 3, 9)),
        ("2026-03-09 00:00", date(2026, 3, 9)),
        ("2026-03-09T00:00:00.000Z", date(2026, 3, 9)),
        ("2026-03-09T00:00:00+08:00", date(2026, 3, 9)),
        ("2026-03-09 00:00:01", None),
        ("2026-03-09 10:00", None),
        ("2024-02-29", date(2024, 2, 29)),
        ("2026年3月9日", date(2026, 3, 9)),
        ("2026年2月30日", None),
        ("9/3/2026 0:00", date(2026, 3, 9)),
        ("9/3/2026 8:00", None),
    ],
)
def test_a_day_is_a_date_or_a_midnight(functions, text, day):
    query = "select ops.to_date(%s, %s, %s)"
    assert functions.execute(query, [text, PATTERNS, TEMPLATES]).fetchone() == (day,)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"), ("12.50", "12.50"), ("-3", "-3"), ("007", "7"),
        ("123456789012.123456", "123456789012.123456"),
        ("1234567890123", None), ("1.1234567", None), ("1,234.50", None), ("1 234", None),
        ("1e5", None), ("NaN", None), ("Infinity", None), ("+5", None), (".5", None), ("5.", None),
        ("--5", None), ("0x10", None), ("1_000", None), ("", None), ("５", None), ("¥5", None),
        ("5\n", None),
    ],
)  # fmt: skip
def test_a_decimal_is_plain_digits(functions, text, number):
    told = functions.execute("select ops.to_decimal(%s)", [text]).fetchone()[0]
    assert told == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5), ("-5", -5), ("007", 7), ("999999999999999999", 10**18 - 1),
        ("1000000000000000000", None), ("5.0", None), ("5 ", None), ("", None), ("１", None),
        ("five", None), ("1e3", None), ("0b1", None), ("5\n", None),
    ],
)  # fmt: skip
def test_an_integer_is_plain_digits(functions, text, number):
    assert functions.execute("select ops.to_integer(%s)", [text]).fetchone() == (number,)


def test_a_boolean_is_one_of_ten_words(functions):
    query = "select ops.to_boolean(%s)"
    for word in ("true", "T", "Yes", "y", "1"):
        assert functions.execute(query, [word]).fetchone() == (True,), word
    for word in ("FALSE", "f", "no", "N", "0"):
        assert functions.execute(query, [word]).fetchone() == (False,), word
    for word in ("", "2", "on", "off", "tru", "是", "yess"):
        assert functions.execute(query, [word]).fetchone() == (None,), word


def test_a_zone_is_an_iana_name_as_it_is_spelt(functions):
    query = "select ops.to_zone(%s)"
    for zone in (SHANGHAI, BERLIN, "America/Argentina/Buenos_Aires", "Asia/Urumqi", "UTC"):
        assert functions.execute(query, [zone]).fetchone() == (zone,), zone
    for zone in ("EST", "CET", "asia/shanghai", "Mars/Base", "+08:00", "", "posix/Asia/Shanghai"):
        assert functions.execute(query, [zone]).fetchone() == (None,), zone


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  Open ", "Open"), ("\t已完成\u3000", "completed"), ("\ufeffx\u00a0", "x"), ("", None),
        (" \u3000", None), ("N/A", None), (" N/A ", None), ("n/a", "n/a"), ("N/A N/A", "N/A N/A"),
        (None, None), ("a  b", "a  b"),
    ],
)  # fmt: skip
def test_delivered_text_is_trimmed_and_translated(functions, text, said):
    query = "select ops.delivered(%s, %s, %s)"
    tokens, words = ["N/A", "-"], '{"已完成": "completed"}'
    assert functions.execute(query, [text, tokens, words]).fetchone() == (said,)
    if text and "已完成" not in text:
        assert functions.execute(query, [text, tokens, None]).fetchone() == (said,)


@pytest.mark.parametrize(
    ("text", "type_", "valid"),
    [
        ("12", "integer", True), ("12.5", "integer", False), ("99999999999", "integer", False),
        ("2026-02-30", "date", False), ("2026-02-28", "date", True), ("{", "jsonb", False),
        ("it's", "integer", False),
    ],
)  # fmt: skip
def test_text_that_cannot_be_cast_is_told_without_an_error(functions, text, type_, valid):
    query = "select ops.input_is_valid(%s, %s)"
    assert functions.execute(query, [text, type_]).fetchone() == (valid,)


def test_reading_text_may_run_in_parallel(functions):
    unsafe = functions.execute(
        "select proname from pg_proc where pronamespace = 'ops'::regnamespace"
        " and proparallel <> 's' and proname <> 'hold_lease'"
    ).fetchall()
    modern = functions.info.server_version >= 160000
    assert unsafe == ([] if modern else [("input_is_valid",)])
