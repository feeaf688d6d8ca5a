"""Who may do what: every role tries everything, where the owner may make roles and no more.

On PostgreSQL 15, and on 18, where who makes a role does not have it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from fieldscore import access, publish, roles, transform, warehouse
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings
from nights import TINY, TINY_NIGHT, Site, at, deliver, order, pause, rows, run_night
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

ROOMS = ("raw", "staging", "intermediate", "policy", "audit", "marts", "ops")
BASE_PAY = "7654.32"

TECHNICIANS = [
    {"technician_id": "T1", "name": "Wei", "area_id": "A1", "base_pay": BASE_PAY},
    {"technician_id": "T2", "name": "Lan", "area_id": "A2", "base_pay": BASE_PAY},
    {"technician_id": "T3", "name": "Jun", "area_id": "A1", "base_pay": BASE_PAY},
]
AREAS = [
    {"area_id": area, "name": area, "time_zone": "Asia/Shanghai", "calendar_id": "standard"}
    for area in ("A1", "A2")
]
OF_JANUARY = {"occurred_on": "2026-01-22", "evidence_ref": "call", "approved_by": "M1"}


@pytest.fixture(scope="module", params=["cluster", "cluster_15"], ids=["18", "15"])
def settings(request: pytest.FixtureRequest, site: Site) -> Iterator[Settings]:
    """An external database with a night of three technicians in two areas.

    Its owner is no superuser. The server's roles are there already, so that he was given them as
    the message of the missing right says.
    """
    cluster = request.getfixturevalue(request.param)
    name = f"external_{os.urandom(4).hex()}"
    with warehouse.connect(cluster, autocommit=True) as server:
        warehouse.migrate(server, cluster)
        server.execute(f"create role {name} login createrole password 'external'")
        server.execute(f"create database {name} owner {name}")
        for role in (*roles.STEPS, roles.READER, roles.PEOPLE):
            server.execute(f"grant {role} to {name} with admin option")
        port = server.info.port
    site.clear()
    for feed, records in TINY.items():
        deliver(site.settings, feed, TINY_NIGHT, records)
    deliver(
        site.settings,
        "work_orders",
        TINY_NIGHT,
        [order("O9", "22 10:00", "22 10:40", "22 12:00", technician_id="T3")],
        name="more.csv",
    )
    since = {"updated_at": at("01 00:00")}
    deliver(site.settings, "technicians", TINY_NIGHT, [{**row, **since} for row in TECHNICIANS])
    deliver(site.settings, "areas", TINY_NIGHT, AREAS)
    people = (("T1", "O1"), ("T2", "O8"), ("T3", "O9"))
    for feed, records in {
        "pauses": [
            pause(f"P{who}", order_id, "22 09:00", "22 10:00", "customer")
            for who, order_id in people
        ],
        "recognitions": [
            {"recognition_id": f"G{who}", "technician_id": who, "kind": "praise", **OF_JANUARY}
            for who, _ in people
        ],
    }.items():
        deliver(site.settings, feed, TINY_NIGHT, records)
    settings = replace(
        site.settings,
        home=cluster.home,
        database_url=f"postgresql://{name}:external@127.0.0.1:{port}/{name}",
    )
    run_night(settings, TINY_NIGHT)
    with warehouse.connect(settings) as owner:
        # Of all three, also of those who have too little for a score.
        owner.execute(
            "insert into marts.fct_score_lines select period_month, edition, others, line_no,"
            " kpi_code, line_kind, points, evidence_feed, evidence_key, reason"
            " from marts.fct_score_lines, unnest('{T2,T3}'::varchar[]) as others"
        )
    yield settings


@pytest.fixture
def owner(settings: Settings) -> Iterator[psycopg.Connection]:
    with warehouse.connect(settings, autocommit=True) as connection:
        yield connection


def login(settings: Settings, name: str | None = None) -> psycopg.Connection:
    """A session of a person, or of the reading role, that tries to write too."""
    url = access.login_url(settings, name) if name else warehouse.reader_url(settings)
    connection = warehouse.connect(url, autocommit=True)
    connection.execute("set default_transaction_read_only = off")
    return connection


@pytest.fixture(scope="module")
def people(settings: Settings) -> Iterator[dict[str, set[str]]]:
    """Whom each login may see: a manager of an area, a technician, one of both, and nobody's."""
    seen = {
        "manager_a1": {"T1", "T3"},
        "technician_t2": {"T2"},
        "manager_a2_and_t1": {"T1", "T2"},
        "of_everybody": {"T1", "T2", "T3"},
    }
    with warehouse.connect(settings, autocommit=True) as connection:
        access.grant(connection, settings, "manager_a1", areas=["A1"])
        access.grant(connection, settings, "technician_t2", technicians=["T2"])
        access.grant(connection, settings, "manager_a2_and_t1", ["A2"], ["T1"])
        access.grant(connection, settings, "of_everybody", areas=["A1", "A2"])
        yield seen
        for name in seen:
            access.revoke(connection, settings, name)


# --- the steps' roles -----------------------------------------------------------------------------

# Models of the keys that a night touches.
SCOPE = PROJECT / "dbt_project" / "models" / "scope"

# What each role may do, relation by relation; `*` stands for all of a room's. Nothing else.
MAY = {
    roles.LANDING: {
        "raw.*": "insert",
        "ops.runs": "select",
        "ops.loads": "select insert",
        "ops.malformed_rows": "insert",
        "ops.unchanged_rows": "insert",
        "ops.cursors": "select insert update",
        "ops.delivered_files": "select insert update",
        "ops.declarations": "select insert update delete",
        "ops.erased_customers": "select",
        "ops.erased_values": "select insert update",
        "ops.staff_respondents": "select",
    },
    roles.TRANSFORM: {
        "raw.*": "select",
        "raw.technicians": "",  # base pay; its other columns are tried below
        "staging.*": "all",
        "intermediate.*": "all",
        "policy.*": "all",
        "audit.*": "all",
        "marts.*": "select",
        "ops.accounting": "all",
        "ops.corrections": "all",
        "ops.rejects": "all",
        "ops.runs": "select",
        "ops.loads": "select",
        "ops.malformed_rows": "select",
        "ops.unchanged_rows": "select",
        "ops.declarations": "select",
        "ops.night": "select",
        "ops.time_zones": "select",
        "ops.staff_respondents": "select insert delete",
        "ops.policy": "select insert update",
    },
    roles.AUDIT: {
        "raw.*": "select",
        "raw.technicians": "",
        "staging.*": "select",
        "intermediate.*": "select",
        "policy.*": "select",
        "audit.*": "select",
        "marts.*": "select",
        "ops.accounting": "select",
        "ops.corrections": "select",
        "ops.rejects": "select",
        "ops.runs": "select",
        "ops.loads": "select",
        "ops.malformed_rows": "select",
        "ops.unchanged_rows": "select",
        "ops.declarations": "select",
        "ops.night": "select",
        "ops.time_zones": "select",
        "ops.quality_results": "select insert delete",
        "ops.audited": "select insert delete",
    },
    roles.PUBLISH: {
        "audit.*": "select",
        "intermediate.int_kpi_events": "select",
        **{f"intermediate.{model.stem}": "select" for model in SCOPE.glob("*.sql")},
        "marts.*": "select insert update delete",
        "marts.fct_order_eligibility": "all",
        "ops.runs": "select update",
        "ops.loads": "select",
        "ops.audited": "select",
        "ops.alive": "select",
    },
    roles.INCENTIVE: {"raw.technicians": "select"},
    roles.READER: {"marts.*": "select"},
    roles.PEOPLE: {"marts.*": "select"},
}

ACTS = {
    "select": "select * from {relation} limit 0",
    "insert": "insert into {relation} default values",
    "update": "update {relation} set {last_column} = null where false",
    "delete": "delete from {relation} where false",
    "truncate": "truncate {relation}",
    "alter": "alter table {relation} rename to probe",
    "drop": "drop table {relation}",
    "guard": "alter table {relation} disable row level security",
}
ON_VIEWS = {"select": ACTS["select"], "drop": "drop view {relation}"}

CREATES = {
    roles.TRANSFORM: {"staging", "intermediate", "policy", "audit", "ops"},
    roles.PUBLISH: {"marts"},
}


def may(connection: psycopg.Connection, role: str, statement: sql.Composable | str) -> bool:
    """Whether a role has the right for a statement, whatever else is wrong with it; undone."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        try:
            connection.execute(statement)
        except InsufficientPrivilege:
            return False
        except psycopg.Error:
            pass
    return True


def everything(connection: psycopg.Connection) -> list[tuple[str, str, str, str]]:
    """Every table and view of every room: room, name, kind, last column."""
    found = connection.execute(
        "select nspname, relname, relkind::text, attname from pg_class"
        " join pg_namespace as rooms on rooms.oid = relnamespace"
        " join pg_attribute on attrelid = pg_class.oid and attnum = relnatts"
        " where nspname = any (%s) and relkind in ('r', 'v') order by 1, 2",
        [list(ROOMS)],
    ).fetchall()
    assert {room for room, *_ in found} == set(ROOMS)
    assert len(found) > 80
    return found


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_its_step_needs_and_is_refused_all_else(owner, role: str) -> None:
    rights, wrong, allowed = dict(MAY[role]), [], 0
    for room, name, kind, last_column in everything(owner):
        right = rights.get(f"{room}.{name}", rights.get(f"{room}.*", ""))
        for act, statement in (ACTS if kind == "r" else ON_VIEWS).items():
            composed = sql.SQL(statement).format(
                relation=sql.Identifier(room, name), last_column=sql.Identifier(last_column)
            )
            expected = right == "all" or act in right.split()
            if may(owner, role, composed) != expected:
                wrong.append(f"{act} {room}.{name}: {'refused' if expected else 'allowed'}")
            allowed += expected
    assert wrong == []
    assert allowed


@pytest.mark.parametrize("role", MAY)
def test_a_role_makes_nothing_where_it_need_not(owner, role: str) -> None:
    rooms = {
        room
        for room in (*ROOMS, "public")
        if may(owner, role, f"create table {room}.probe (x integer)")
    }
    assert rooms == CREATES.get(role, set())
    assert not may(owner, role, "create schema probe")
    reads = role in (roles.READER, roles.PEOPLE, roles.INCENTIVE)
    assert may(owner, role, "create temporary table probe (x integer)") != reads


@pytest.mark.parametrize("role", MAY)
def test_a_role_is_not_powerful_and_in_no_other(owner, role: str) -> None:
    [powers] = owner.execute(
        "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
        " from pg_roles where rolname = %s",
        [role],
    ).fetchone()
    assert powers is False
    others = owner.execute(
        "select rolname from pg_roles where pg_has_role(%s, oid, 'member') and rolname <> %s",
        [role, role],
    ).fetchall()
    assert others == []
    [can_log_in] = owner.execute(
        "select rolcanlogin from pg_roles where rolname = %s", [role]
    ).fetchone()
    assert can_log_in == (role == roles.READER)


def test_base_pay_is_read_by_the_incentive_models_role_alone(owner) -> None:
    query = "select base_pay from raw.technicians"
    assert {role for role in MAY if may(owner, role, query)} == {roles.INCENTIVE}
    assert {role for role in MAY if may(owner, role, "select name from raw.technicians")} == {
        roles.INCENTIVE,
        roles.TRANSFORM,
        roles.AUDIT,
    }
    confidential = {name for feed in canonical_feeds().values() for name in feed.confidential}
    assert "base_pay" in confidential
    copies = owner.execute(
        "select attrelid::regclass::text from pg_attribute where attname = any (%s)",
        [list(confidential)],
    ).fetchall()
    assert copies == [("raw.technicians",)]


def test_base_pay_cannot_be_guessed_from_the_hash_of_its_row(owner, settings) -> None:
    """Whoever reads a row's hash and its other columns could try values until the hash fits."""
    import polars as pl
    from fieldscore.hashes import personal_key, row_hashes

    columns = list(canonical_feeds()["technicians"].columns)
    query = sql.SQL("select row_hash, {} from raw.technicians where technician_id = 'T1'").format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    kept, *values = owner.execute(query).fetchone()
    row = pl.DataFrame([dict(zip(columns, values, strict=True))], dict.fromkeys(columns, pl.String))
    assert row["base_pay"].to_list() == [BASE_PAY]
    assert row_hashes(row).to_list() != [kept]
    assert row_hashes(row, ["base_pay"], b"x" * 32).to_list() != [kept]
    assert row_hashes(row, ["base_pay"], personal_key(settings)).to_list() == [kept]


def test_the_steps_of_a_night_work_as_their_roles(settings, monkeypatch) -> None:
    """A right that is missing is noticed by the nights; that a role is taken at all, here."""
    url = warehouse.url_as(settings, roles.LANDING)
    with warehouse.connect(url) as connection:
        assert connection.execute("select current_user, session_user").fetchone() == (
            roles.LANDING,
            psycopg.conninfo.conninfo_to_dict(url)["user"],
        )
        with pytest.raises(InsufficientPrivilege):
            connection.execute("select * from marts.fct_technician_scores")
    with warehouse.connect(
        roles.acting_as(f"{settings.database_url}?options=-c%20jit%3Doff", roles.AUDIT)
    ) as connection:
        assert connection.execute("select current_user").fetchone() == (roles.AUDIT,)
        assert connection.execute("show jit").fetchone() == ("off",)
    said: list[str] = []
    transform.run(settings, "run", "--select", "publication", say=said.append)
    made_by = "select relowner::regrole::text as role from pg_class where oid = %s::regclass"
    assert rows(settings, made_by, ["audit.publication"]) == [{"role": roles.TRANSFORM}]
    assert rows(settings, made_by, ["marts.fct_order_eligibility"]) == [{"role": roles.PUBLISH}]


# --- rights are code ------------------------------------------------------------------------------


def catalogue(connection: psycopg.Connection) -> dict[str, list]:
    """Everything that says who may do what, of this database; what is granted, in no order."""

    def granted(column: str) -> str:
        return f"array(select right_::text from unnest({column}) as right_ order by 1)"

    of_a_room = "::regnamespace::text = any (%s)"
    queries = {
        "rooms": f"select nspname, {granted('nspacl')} from pg_namespace"
        " where nspname = any (%s) or nspname = 'public' order by 1",
        "relations": f"select oid::regclass::text, relowner, {granted('relacl')}, relrowsecurity,"
        f" relforcerowsecurity from pg_class where relnamespace{of_a_room}"
        " and relkind in ('r', 'v') order by 1",
        "columns": f"select attrelid::regclass::text, attname, {granted('attacl')}"
        " from pg_attribute where attacl is not null and attrelid > 16384 order by 1, 2",
        "defaults": f"select defaclrole, defaclnamespace, {granted('defaclacl')}"
        " from pg_default_acl order by 1, 2",
        "policies": "select * from pg_policies order by 1, 2, 3",
        "functions": f"select oid::regprocedure::text, {granted('proacl')} from pg_proc"
        f" where pronamespace{of_a_room} order by 1",
        "members": "select roleid::regrole::text, member::regrole::text from pg_auth_members"
        " where roleid::regrole::text like 'fieldscore%' order by 1, 2",
    }
    found = {}
    for name, query in queries.items():
        parameters = [list(ROOMS)] if "%s" in query else None
        found[name] = connection.execute(query, parameters).fetchall()
        assert found[name], name
    return found


def put_right(connection: psycopg.Connection, settings: Settings) -> None:
    warehouse.migrate(connection, settings)
    publish.prepare(connection, transform.manifest(settings))


def test_rights_made_again_are_the_same(owner, settings) -> None:
    before = catalogue(owner)
    put_right(owner, settings)
    assert catalogue(owner) == before


def test_rights_that_went_astray_are_put_right_and_readers_do_not_wait_for_it(
    owner, settings
) -> None:
    before = catalogue(owner)
    owner.execute("alter table marts.fct_score_lines disable row level security")
    owner.execute("drop policy by_technician_id on marts.fct_kpi_days")
    owner.execute("revoke select on raw.work_orders from fieldscore_transform")
    owner.execute("grant select on raw.technicians to fieldscore_transform")
    owner.execute("grant execute on function marts.visible_technicians() to public")
    owner.execute("revoke select on marts.dim_kpis from fieldscore_reader")
    assert catalogue(owner) != before
    put_right(owner, settings)
    assert catalogue(owner) == before
    with login(settings) as reader, reader.transaction():
        for mart in publish.marts(transform.manifest(settings)):
            reader.execute(sql.SQL("select 1 from {} limit 1").format(mart.published))
        owner.execute("set lock_timeout = '5s'")
        put_right(owner, settings)


# --- the marts, row by row ------------------------------------------------------------------------


def marts_of_persons(connection: psycopg.Connection) -> dict[str, str]:
    """The marts with a technician in any column, and the column that says whose a row is."""
    found = connection.execute(
        "select relname, array_agg(attname::text) from pg_class"
        " join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r'"
        " and attname ~ 'technician_id|order_id' group by relname order by relname"
    ).fetchall()
    return {
        name: "accountable_technician_id"
        if "accountable_technician_id" in columns
        else "technician_id"
        for name, columns in found
    }


def test_every_mart_with_a_person_in_it_is_guarded_also_from_its_owner(owner) -> None:
    found = marts_of_persons(owner)
    assert {
        "dim_technicians", "fct_kpi_days", "fct_kpi_events", "fct_pauses", "fct_recognitions",
        "fct_score_lines", "fct_technician_kpis", "fct_technician_scores", "fct_work_orders",
    } <= set(found)  # fmt: skip
    for name, column in found.items():
        guarded = owner.execute(
            "select relrowsecurity and relforcerowsecurity from pg_class where oid = %s::regclass",
            [f"marts.{name}"],
        ).fetchone()
        assert guarded == (True,), name
        policies = owner.execute(
            "select roles::text[], qual from pg_policies where schemaname = 'marts'"
            " and tablename = %s and roles && '{fieldscore_people,public}'",
            [name],
        ).fetchall()
        [(to, qual)] = policies
        assert to == [roles.PEOPLE], name
        # Asked once per query, not once per row.
        assert qual.startswith(f"(({column})::text = ANY ((ARRAY( SELECT "), (name, qual)


def test_a_mart_that_does_not_say_whose_rows_they_are_is_refused() -> None:
    assert access.person_of("m", ["area_id", "name"]) is None
    assert access.person_of("m", ["order_id", "technician_id"]) == "technician_id"
    for columns in (["order_id", "kpi_code"], ["charged_technician_id"]):
        with pytest.raises(
            FieldscoreError, match=f"marts.m has {columns[0]} and does not say whose"
        ):
            access.person_of("m", columns)


def test_no_view_lends_its_makers_rights(owner) -> None:
    views = owner.execute(
        "select oid::regclass::text, coalesce('security_invoker=true' = any (reloptions), false)"
        " from pg_class where relkind = 'v' and relnamespace::regnamespace::text = any (%s)",
        [list(ROOMS)],
    ).fetchall()
    assert {"marts.fct_order_eligibility", "ops.rejects", "staging.stg_work_orders"} <= {
        name for name, _ in views
    }
    assert [name for name, invoker in views if not invoker] == []


def test_one_function_has_rights_of_its_own_and_it_can_be_led_nowhere(owner) -> None:
    lending = owner.execute(
        "select oid::regproc::text, proconfig, proacl::text from pg_proc"
        " where prosecdef and pronamespace::regnamespace::text <> 'pg_catalog'"
    ).fetchall()
    [(name, config, rights)] = lending
    assert (name, config) == ("marts.visible_technicians", ["search_path=pg_catalog, pg_temp"])
    assert "fieldscore_people=X" in rights and "=X/" not in re.sub(r"\w+=X/", "", rights)


def seen(connection: psycopg.Connection, relation: str, column: str) -> list[str | None]:
    query = sql.SQL("select {} from marts.{}").format(
        sql.Identifier(column), sql.Identifier(relation)
    )
    return [person for (person,) in connection.execute(query)]


def test_the_reading_role_sees_everybody(settings, owner) -> None:
    with login(settings) as reader:
        for mart, column in marts_of_persons(owner).items():
            told = seen(reader, mart, column)
            assert sorted(map(str, told)) == sorted(map(str, seen(owner, mart, column)))
            assert {"T1", "T2", "T3"} <= set(told), mart


def test_a_manager_sees_his_area_and_a_technician_himself(settings, owner, people) -> None:
    for name, allowed in people.items():
        with login(settings, name) as person:
            for mart, column in marts_of_persons(owner).items():
                told = seen(person, mart, column)
                wanted = [one for one in seen(owner, mart, column) if one in allowed]
                assert sorted(told) == sorted(wanted), (name, mart)
                assert set(told) == allowed, (name, mart)


def test_what_is_nobodys_is_seen_by_those_who_see_the_whole_company_alone(
    settings, owner, people
) -> None:
    query = "select count(*) from marts.fct_kpi_events where technician_id is null"
    owner.execute(
        "insert into marts.fct_kpi_events (kpi_code, feed, record_key, eligible)"
        " values ('completion', 'work_orders', 'NOBODYS', false)"
    )
    with login(settings) as reader, login(settings, "of_everybody") as person:
        assert reader.execute(query).fetchone() == (1,)
        assert person.execute(query).fetchone() == (0,)
    owner.execute("delete from marts.fct_kpi_events where record_key = 'NOBODYS'")


def test_a_view_shows_a_person_what_its_tables_would(settings, owner, people) -> None:
    query = "select order_id, kpi_code from marts.fct_order_eligibility"
    his = owner.execute(
        "select order_id, kpi_code from marts.fct_kpi_events where technician_id = 'T2'"
    ).fetchall()
    assert his
    with login(settings, "technician_t2") as person:
        assert sorted(person.execute(query).fetchall(), key=repr) == sorted(his, key=repr)


def test_what_names_nobody_is_the_same_for_everybody(settings, owner, people) -> None:
    for mart in ("publication", "dim_kpis", "dim_areas", "dim_periods", "fct_benchmarks"):
        query = sql.SQL("select * from marts.{}").format(sql.Identifier(mart))
        everybodys = sorted(owner.execute(query).fetchall(), key=repr)
        with login(settings, "technician_t2") as person:
            assert sorted(person.execute(query).fetchall(), key=repr) == everybodys
    assert everybodys


FORBIDDEN = {
    "another role": "set role fieldscore_reader",
    "the publishing role": "set role fieldscore_publish",
    "another person's role": "set role manager_a1",
    "another session": "set session authorization manager_a1",
    "the grants": "select * from ops.access",
    "the ledger": "select * from ops.runs",
    "raw": "select * from raw.work_orders",
    "the audited marts": "select * from audit.fct_score_lines",
    "no row security": "alter table marts.fct_score_lines disable row level security",
    "a policy of his own": "create policy mine on marts.fct_score_lines using (true)",
    "a wider lookup": "create or replace function marts.visible_technicians() returns setof varchar"
    " language sql as $$ select technician_id from marts.dim_technicians $$",
    "a function": "create function marts.mine() returns int language sql as 'select 1'",
    "a view": "create view marts.mine as select * from marts.fct_score_lines",
    "a temporary table": "create temporary table mine (x int)",
    "a temporary function": "create function pg_temp.mine() returns int language sql as 'select 1'",
    "a score": "update marts.fct_technician_scores set score = 100",
    "a line": "insert into marts.fct_score_lines default values",
    "a deletion": "delete from marts.fct_score_lines",
    "a lock": "begin; lock table marts.fct_score_lines in access exclusive mode",
    "a file": "select pg_read_file('postgresql.conf')",
    "a program": "copy marts.fct_score_lines to program 'cat'",
    "a file of the server": "copy (select 1) to '/tmp/fieldscore_probe'",
    "a password": "select rolpassword from pg_authid",
    "a scope": "insert into ops.access (login, technician_id) values ('technician_t2', 'T1')",
    "membership": "grant fieldscore_reader to technician_t2",
    "a new login": "create role probe login",
    "the end of a night": "select pg_terminate_backend(pid) from pg_stat_activity"
    " where usename <> session_user",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_person_is_refused(settings, people, what: str) -> None:
    with login(settings, "technician_t2") as person, pytest.raises(InsufficientPrivilege):
        person.execute(FORBIDDEN[what])


@pytest.mark.parametrize("what", [what for what in FORBIDDEN if what != "another role"])
def test_the_reading_role_is_refused(settings, people, what: str) -> None:
    with login(settings) as reader, pytest.raises(InsufficientPrivilege):
        reader.execute(FORBIDDEN[what])


def test_nothing_that_a_person_can_set_shows_him_more(settings, people) -> None:
    query = "select distinct technician_id from marts.fct_score_lines"
    with login(settings, "technician_t2") as person:
        for setting in (
            "set fieldscore.technician = 'T1'",
            "set fieldscore.login = 'manager_a1'",
            "set application_name = 'fieldscore run 1'",
            "set search_path = pg_temp, marts",
            "set role technician_t2",
        ):
            person.execute(setting)
            assert person.execute(query).fetchall() == [("T2",)], setting
        person.execute("set row_security = off")
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            person.execute(query)


def test_a_condition_of_his_own_is_not_asked_of_rows_he_may_not_see(settings, people) -> None:
    with login(settings, "technician_t2") as person:
        probe = "select 1 / (technician_id = 'T2')::int from marts.fct_score_lines"
        assert person.execute(probe).fetchall()
        assert person.execute(
            "select count(*) from marts.fct_score_lines where 1 / (technician_id = 'T2')::int = 1"
        ).fetchone()[0]
        assert not person.execute(
            "select * from pg_stats where schemaname = 'marts' and tablename = 'fct_score_lines'"
        ).fetchall()


def test_a_person_reads_one_state_and_not_for_ever(settings, people) -> None:
    with warehouse.connect(access.login_url(settings, "manager_a1")) as person:
        for name, value in roles.READER_SETTINGS.items():
            assert person.execute(f"show {name}").fetchone() == (value,)


# --- granting and taking away ---------------------------------------------------------------------


@pytest.fixture
def wei(owner, settings) -> Iterator[str]:
    yield "wei"
    access.revoke(owner, settings, "wei")


def test_access_is_granted_once_however_often_it_is_said(owner, settings, wei) -> None:
    access.grant(owner, settings, wei, areas=["A1"])
    url = access.login_url(settings, wei)
    access.grant(owner, settings, wei, areas=["A1"], technicians=["T2"])
    assert access.login_url(settings, wei) == url
    told = [scope for name, *scope in access.granted(owner) if name == wei]
    assert told == [["area", "A1"], ["technician", "T2"]]
    [kept] = [path for path in (settings.home / "secrets").iterdir() if path.name == "login_wei"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text() in url


def test_what_is_taken_away_is_gone_for_the_next_query(owner, settings, wei) -> None:
    query = "select technician_id from marts.dim_technicians order by 1"
    access.grant(owner, settings, wei, areas=["A1"], technicians=["T2"])
    with login(settings, wei) as person:
        assert person.execute(query).fetchall() == [("T1",), ("T2",), ("T3",)]
        access.revoke(owner, settings, wei, areas=["A1"])
        assert person.execute(query).fetchall() == [("T2",)]
        access.revoke(owner, settings, wei, technicians=["T2"])
        with pytest.raises(InsufficientPrivilege):
            person.execute(query)
    assert not roles.exists(owner, wei)
    assert not (settings.home / "secrets" / "login_wei").exists()
    with pytest.raises(FieldscoreError, match="nothing was granted"):
        access.login_url(settings, wei)
    access.revoke(owner, settings, wei)  # nothing to take: nothing happens


def test_who_moves_to_another_area_is_seen_there(owner, settings, wei) -> None:
    access.grant(owner, settings, wei, areas=["A2"])
    move = "update marts.dim_technicians set area_id = %s where technician_id = 'T3'"
    with login(settings, wei) as person:
        owner.execute(move, ["A2"])
        assert set(seen(person, "fct_score_lines", "technician_id")) == {"T2", "T3"}
        owner.execute(move, ["A1"])
        assert set(seen(person, "fct_score_lines", "technician_id")) == {"T2"}


@pytest.mark.parametrize(
    "name",
    [
        "", "Wei", "wei; drop schema marts cascade", 'wei"', "wei'", "../wei", "wei/..", "1wei",
        "w" * 49, "wei\n", "魏",
    ],
)  # fmt: skip
def test_a_login_that_needs_quotes_is_refused(owner, settings, name: str) -> None:
    before = catalogue(owner)
    for change in (access.grant, access.revoke):
        with pytest.raises(FieldscoreError, match="a login is at most 48 lowercase letters"):
            change(owner, settings, name, areas=["A1"])
    assert catalogue(owner) == before


def test_a_role_of_somebody_else_is_refused(owner, settings) -> None:
    mine = owner.info.user
    for name in (*MAY, "postgres_probe", mine):
        if name == "postgres_probe":
            owner.execute("create role postgres_probe login")
        for change in (access.grant, access.revoke):
            with pytest.raises(FieldscoreError, match="no access was granted to"):
                change(owner, settings, name, areas=["A1"])
    owner.execute("drop role postgres_probe")


def test_an_area_or_technician_nobody_knows_is_refused(owner, settings, wei) -> None:
    for scope, told in (
        ({"areas": ["A1' or true --"]}, "marts.dim_areas has no area_id"),
        ({"technicians": ["T99"]}, "marts.dim_technicians has no technician_id 'T99'"),
        ({}, "--area or --technician"),
    ):
        with pytest.raises(FieldscoreError, match=re.escape(told)):
            access.grant(owner, settings, wei, **scope)
    assert not roles.exists(owner, wei)
