"""Publication: one transaction by touched keys, after a gate, on tables that are never swapped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from fieldscore import access, night, publish, transform, warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings
from nights import SMALL_NIGHTS, Site, marts, rows, run_of, silent, take_steps
from psycopg import sql

BI_TEAM = "fieldscore_test_bi_team"


def act(settings: Settings, *statements: str) -> None:
    """Do something to the warehouse, as its owner."""
    with warehouse.connect(settings) as connection:
        for statement in statements:
            connection.execute(statement)


def as_reader(settings: Settings, query: str) -> list[tuple]:
    with warehouse.connect(warehouse.reader_url(settings)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def audited(site: Site, small_audited: str) -> SimpleNamespace:
    """The small company's second night, audited: its gate and publication are next."""
    settings = site.go_back(small_audited)
    return SimpleNamespace(
        settings=settings, run_id=run_of(settings)["run_id"], before=marts(settings)
    )


def go_on(audited: SimpleNamespace, *steps: str) -> None:
    take_steps(audited.settings, audited.run_id, SMALL_NIGHTS[1], *steps)


# --- what a publication leaves alone -------------------------------------------------------------


def standing(settings: Settings) -> dict[str, list]:
    """Of every relation in marts: its object id, owner, grants and row-level security."""
    return {
        "relations": rows(
            settings,
            "select relname, oid, relowner, relacl::text, relrowsecurity from pg_class"
            " where relnamespace = 'marts'::regnamespace and relkind in ('r', 'v') order by 1",
        ),
        "policies": rows(
            settings, "select * from pg_policies where schemaname = 'marts' order by 2, 3"
        ),
        "keys": rows(
            settings,
            "select conrelid::regclass::text as mart, oid, pg_get_constraintdef(oid) as key"
            " from pg_constraint where connamespace = 'marts'::regnamespace and contype = 'p'"
            " order by 1",
        ),
    }


def places(settings: Settings) -> dict[str, dict[tuple, list[tuple]]]:
    """Where the rows of every touched key lie, which transaction wrote them, and what they say."""
    found = {}
    with warehouse.connect(settings) as connection:
        for mart in publish.marts(transform.manifest(settings)):
            query = sql.SQL(
                "select array[{}]::text[], ctid::text, xmin::text, to_jsonb(mart)::text"
                " from {} as mart order by 1, 4"
            ).format(publish._columns(mart.touched_by), mart.published)
            keys: dict[tuple, list[tuple]] = {}
            for key, *place in connection.execute(query):
                keys.setdefault(tuple(key), []).append(tuple(place))
            found[mart.name] = keys
    return found


@pytest.fixture(scope="module")
def carried(site: Site, small_audited: str) -> Iterator[SimpleNamespace]:
    """The small company's second night while it is published: before, meanwhile and after.

    Another team may read two marts, one of them and the reader's view by row-level security; a row
    of the marts is no longer among those audited; and a reader asks again and again.
    """
    settings = site.go_back(small_audited)
    run_id = run_of(settings)["run_id"]
    act(
        settings,
        f"drop role if exists {BI_TEAM}",
        f"create role {BI_TEAM} nologin",
        f"grant select on marts.fct_technician_scores, marts.fct_kpi_events to {BI_TEAM}",
        "create policy of_one_kpi on marts.fct_kpi_events as restrictive for select"
        f" to {BI_TEAM}, fieldscore_reader using (kpi_code = 'completion')",
        "insert into marts.dim_areas (area_id, name, time_zone, calendar_id, is_registered)"
        " values ('GONE', 'Gone', 'UTC', 'standard', false)",
    )
    seen: list[tuple] = []
    ended = threading.Event()

    def read() -> None:
        with warehouse.connect(warehouse.reader_url(settings)) as connection:
            while not ended.is_set():
                with connection.transaction():
                    [run] = connection.execute("select run_id from publication").fetchone()
                    counts = [
                        connection.execute(
                            sql.SQL("select count(*) from {}").format(sql.Identifier(name))
                        ).fetchone()[0]
                        for name in ("fct_work_orders", "fct_kpi_days", "dim_areas")
                    ]
                    scores = connection.execute(
                        "select sum(score) * 100 from fct_technician_scores"
                    ).fetchone()
                    lines = connection.execute("select sum(points) from fct_score_lines").fetchone()
                seen.append((run, *counts, *scores, *lines))

    night.check_marts(settings, run_id, say=silent)
    found = SimpleNamespace(
        run_id=run_id, settings=settings, marts_before=marts(settings), seen=seen,
        standing_before=standing(settings), places_before=places(settings),
    )  # fmt: skip
    reader = threading.Thread(target=read)
    reader.start()
    while len(seen) < 3:
        assert reader.is_alive()
    night.publish_night(settings, run_id, say=silent)
    enough = len(seen) + 3
    while len(seen) < enough:
        assert reader.is_alive()
    ended.set()
    reader.join()
    night.close_night(settings, run_id, say=silent)
    found.standing_after, found.places_after = standing(settings), places(settings)
    found.marts_after, found.run = marts(settings), run_of(settings, run_id)
    found.view_of_the_reader = as_reader(
        settings, "select kpi_code, count(*) from fct_order_eligibility group by kpi_code"
    )
    found.columns = columns(settings)
    yield found
    act(settings, f"drop owned by {BI_TEAM}", f"drop role {BI_TEAM}")


def test_the_marts_keep_their_ids_grants_keys_and_row_level_security(carried) -> None:
    before = carried.standing_before
    contracts = publish.marts(transform.manifest(carried.settings))
    assert len(before["relations"]) == len(contracts) + 1  # and a view
    assert sum(BI_TEAM in (table["relacl"] or "") for table in before["relations"]) == 2
    policies = [(policy["tablename"], policy["policyname"]) for policy in before["policies"]]
    assert ("fct_kpi_events", "of_one_kpi") in policies
    assert ("fct_kpi_events", "by_technician_id") in policies
    assert len(before["keys"]) == len(contracts) >= 12
    assert carried.standing_after == before


def test_views_read_with_the_rights_of_who_asks(carried) -> None:
    of_all = [e for e in carried.marts_after["fct_kpi_events"] if e["kpi_code"] == "completion"]
    assert len({e["kpi_code"] for e in carried.marts_after["fct_kpi_events"]}) == 28
    assert carried.view_of_the_reader == [("completion", len(of_all))]


def test_a_reader_sees_one_whole_night_or_the_other(carried) -> None:
    runs = [run for run, *_ in carried.seen]
    assert set(runs) == {carried.run_id - 1, carried.run_id}
    # Two states in all: every count and sum changes with the run and with nothing else.
    assert len(set(carried.seen)) == 2
    for run, *_, scores, lines in carried.seen:
        assert scores == lines, run


def test_the_publication_says_which_run_and_when(carried) -> None:
    assert carried.run["status"] == "published"
    [publication] = rows(carried.settings, "select * from marts.publication")
    assert publication["run_id"] == carried.run_id
    assert publication["published_at"] == carried.run["published_at"]
    assert publication["published_at"] > carried.run["started_at"]
    [newest] = rows(carried.settings, "select max(load_id) as load_id from ops.loads")
    assert carried.run["last_load_id"] == newest["load_id"]


def test_only_touched_keys_are_written_anew(carried) -> None:
    kept = written = 0
    for name, keys in carried.places_before.items():
        after = carried.places_after[name]
        for key, records in keys.items():
            said = [said for *_, said in records]
            if said == [said for *_, said in after.get(key, [])]:
                assert after[key] == records, (name, key)  # same place, same transaction
                kept += 1
            else:
                written += 1
    assert kept > 5000
    assert 50 < written < kept / 5


def test_a_row_that_is_no_longer_audited_goes(carried) -> None:
    def areas(marts: dict) -> set[str]:
        return {area["area_id"] for area in marts["dim_areas"]}

    assert areas(carried.marts_before) - areas(carried.marts_after) == {"GONE"}


# --- the contract --------------------------------------------------------------------------------


def columns(settings: Settings) -> dict[str, dict[str, dict[str, str]]]:
    """By schema, table and column: the type with its precision, and in marts the comment too."""
    found: dict[str, dict] = {"audit": {}, "marts": {}, "comments": {}}
    with warehouse.connect(settings) as connection:
        for schema in ("audit", "marts"):
            for table, column, type_, comment in connection.execute(
                "select relname, attname, format_type(atttypid, atttypmod),"
                " col_description(attrelid, attnum) from pg_attribute"
                " join pg_class on pg_class.oid = attrelid"
                " where relnamespace = %s::regnamespace and relkind in ('r', 'v') and attnum > 0"
                " and not attisdropped and relname <> all (%s)",
                [schema, publish.views(transform.manifest(settings))],
            ):
                found[schema].setdefault(table, {})[column] = type_
                if schema == "marts":
                    found["comments"].setdefault(table, {})[column] = comment
    return found


def test_a_mart_has_the_columns_types_and_precision_of_what_is_audited(carried) -> None:
    assert set(carried.columns["marts"]) == set(carried.columns["audit"])
    for name, in_marts in carried.columns["marts"].items():
        assert in_marts == carried.columns["audit"][name], name
    types = {t for table in carried.columns["marts"].values() for t in table.values()}
    assert {"numeric(12,10)", "numeric(7,2)", "numeric(6,2)", "integer"} <= types


def test_a_mart_has_the_comments_and_key_of_its_contract(carried) -> None:
    contracts = publish.marts(transform.manifest(carried.settings))
    assert len(contracts) >= 12
    keys = {key["mart"]: key["key"] for key in carried.standing_after["keys"]}
    [comments] = rows(
        carried.settings,
        "select jsonb_object_agg(relname, obj_description(oid)) as by_mart from pg_class"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r'",
    )
    for mart in contracts:
        said = {name: description for name, (_, description) in mart.columns.items()}
        assert carried.columns["comments"][mart.name] == said
        assert all(said.values()) and mart.description
        assert comments["by_mart"][mart.name] == mart.description
        assert keys[f"marts.{mart.name}"] == f"PRIMARY KEY ({', '.join(mart.primary_key)})"


def test_what_a_first_night_filled_is_counted_when_the_second_begins(audited) -> None:
    counted = rows(
        audited.settings,
        "select relname as mart, relpages > 0 as is_counted from pg_class"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r'"
        " and pg_relation_size(oid) > 0",
    )
    assert {"mart": "fct_kpi_events", "is_counted": True} in counted
    assert [row["mart"] for row in counted if not row["is_counted"]] == []


@pytest.fixture
def contract(audited, monkeypatch) -> Callable[..., None]:
    """Prepare the marts for a contract of fct_technician_scores with other columns."""
    manifest = transform.manifest(audited.settings)
    contracts = publish.marts(manifest)

    def prepare(**changed: tuple[str, str] | None) -> None:
        def altered(mart: publish.Mart) -> publish.Mart:
            if mart.name != "fct_technician_scores":
                return mart
            columns = {**mart.columns, **changed}
            return replace(mart, columns={n: c for n, c in columns.items() if c is not None})

        monkeypatch.setattr(publish, "marts", lambda _: [altered(mart) for mart in contracts])
        with warehouse.connect(audited.settings) as connection:
            publish.prepare(connection, manifest)

    return prepare


def test_a_contract_that_grew_adds_a_column_and_keeps_the_table(audited, contract) -> None:
    before = standing(audited.settings)
    contract(prize=("decimal(14,2)", "Prize, in currency."))
    now = columns(audited.settings)
    assert now["marts"]["fct_technician_scores"]["prize"] == "numeric(14,2)"
    assert now["comments"]["fct_technician_scores"]["prize"] == "Prize, in currency."
    assert standing(audited.settings) == before
    found = marts(audited.settings)["fct_technician_scores"]
    assert {score.pop("prize") for score in found} == {None}
    assert found == audited.before["fct_technician_scores"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"score": ("decimal(8,4)", "0-100.")},
            "marts.fct_technician_scores.score is numeric(6,2) and by its contract numeric(8,4).",
        ),
        (
            {"badge": ("integer", "A number.")},
            "marts.fct_technician_scores.badge is character varying and by its contract integer.",
        ),
        (
            {"balance": None},
            "marts.fct_technician_scores.balance is not in its contract any more.",
        ),
    ],
)
def test_a_column_that_changed_or_went_is_named_and_nothing_is_altered(
    audited, contract, changed: dict, told: str
) -> None:
    before = columns(audited.settings)
    with pytest.raises(FieldscoreError) as refused:
        contract(prize=("decimal(14,2)", "Prize, in currency."), **changed)
    assert told in str(refused.value)
    assert "plugins/fieldscore/sql/steps/" in str(refused.value)
    assert columns(audited.settings) == before
    assert marts(audited.settings) == audited.before


@pytest.fixture
def steps(tmp_path: Path, monkeypatch) -> Path:
    """The folder of steps, empty."""
    monkeypatch.setattr(publish, "STEPS", tmp_path)
    return tmp_path


def test_a_step_lets_a_column_change_and_runs_once_in_name_order(audited, contract, steps) -> None:
    (steps / "2026-04-02_finer_scores.sql").write_text(
        "alter table marts.fct_technician_scores alter column score type decimal(8, 4);"
        " insert into step_order values ('second');"
    )
    (steps / "2026-04-01_first.sql").write_text(
        "create table step_order (step varchar); insert into step_order values ('first');"
    )
    finer = {"score": ("decimal(8,4)", "0-100, finer.")}
    contract(**finer)
    contract(**finer)
    assert [r["step"] for r in rows(audited.settings, "table step_order")] == ["first", "second"]
    done = rows(audited.settings, "select name from ops.steps order by done_at, name")
    assert [step["name"] for step in done][-2:] == sorted(step.name for step in steps.iterdir())
    now = columns(audited.settings)["marts"]["fct_technician_scores"]
    assert now["score"] == "numeric(8,4)"


def test_a_step_that_fails_leaves_everything_as_it_was(audited, contract, steps) -> None:
    (steps / "1_good.sql").write_text("alter table marts.dim_areas add column size integer;")
    (steps / "2_bad.sql").write_text("alter table marts.no_such_mart add column size integer;")
    before, done = columns(audited.settings), rows(audited.settings, "table ops.steps")
    with pytest.raises(psycopg.errors.UndefinedTable, match="no_such_mart"):
        contract()
    assert columns(audited.settings) == before
    assert rows(audited.settings, "table ops.steps") == done


def test_a_person_is_found_by_one_index_in_an_older_warehouse_too(audited, contract) -> None:
    with warehouse.connect(audited.settings) as connection:
        connection.execute(
            "delete from ops.steps where name = '2026-11-26_indexes_of_marts.sql';"
            " drop index marts.fct_kpi_events_3, marts.fct_score_lines_1;"
            " create index fct_kpi_events_3 on marts.fct_kpi_events (next_change_at);"
            " create index fct_kpi_events_by_technician_id on marts.fct_kpi_events (technician_id);"
            " create index fct_score_lines_by_technician_id on marts.fct_score_lines"
            " (technician_id)"
        )
    contract()
    led_by_a_person = rows(
        audited.settings,
        "select tablename, count(*) as indexes from pg_indexes where schemaname = 'marts'"
        r" and indexdef ~ '\((accountable_technician_id|technician_id)\M' group by tablename",
    )
    named = {
        mart: person
        for mart, names in columns(audited.settings)["marts"].items()
        if (person := access.person_of(mart, list(names)))
    }
    assert len(named) > 5
    found = {row["tablename"]: row["indexes"] for row in led_by_a_person}
    assert {mart: found[mart] for mart in named} == dict.fromkeys(named, 1)
    [ahead] = rows(
        audited.settings,
        "select indexdef from pg_indexes where schemaname = 'marts'"
        " and indexname = 'fct_kpi_events_3'",
    )
    assert ahead["indexdef"].endswith("WHERE (next_change_at IS NOT NULL)")


# --- what is not published -----------------------------------------------------------------------


def assert_the_earlier_marts_stand(audited: SimpleNamespace) -> None:
    assert marts(audited.settings) == audited.before
    [(run_id,)] = as_reader(audited.settings, "select run_id from publication")
    assert run_id == audited.run_id - 1
    [(scores,)] = as_reader(audited.settings, "select count(*) from fct_technician_scores")
    assert scores == len(audited.before["fct_technician_scores"]) > 0


def test_a_failed_gate_leaves_the_marts_untouched_and_readable(audited) -> None:
    act(audited.settings, "update audit.fct_technician_scores set score = 200")
    with pytest.raises(FieldscoreError) as stopped:
        go_on(audited, "check_marts")
    assert "Gate marts stops run" in str(stopped.value)
    assert "the earlier marts still stand" in str(stopped.value)
    assert "A score lies between 0 and 100" in str(stopped.value)
    with pytest.raises(FieldscoreError, match="let None pass"):
        go_on(audited, "publish_night")
    night.note_failure(audited.settings, audited.run_id, str(stopped.value))
    go_on(audited, "close_night")
    run = run_of(audited.settings, audited.run_id)
    assert (run["status"], run["failed_gate"]) == ("failed", "marts")
    assert run["message"] == str(stopped.value)
    assert_the_earlier_marts_stand(audited)


def test_a_failed_dbt_test_stops_the_night_before_the_gate(audited) -> None:
    act(
        audited.settings,
        "update intermediate.int_score_lines set points = points + 1"
        " where ctid = (select min(ctid) from intermediate.int_score_lines)",
    )
    with pytest.raises(FieldscoreError, match="test assert_lines_add_up_to_the_score"):
        go_on(audited, "audit")
    assert run_of(audited.settings, audited.run_id)["failed_gate"] == "dbt tests"
    assert_the_earlier_marts_stand(audited)


@pytest.mark.parametrize(
    ("change", "mart"),
    [
        # As after a crash of the server, which empties unlogged tables.
        ("truncate intermediate.int_kpi_events", "fct_kpi_events"),
        ("delete from audit.fct_work_orders where order_id like '%7'", "fct_work_orders"),
        (
            "insert into audit.dim_areas select 'LATE', name, region, time_zone, calendar_id,"
            " is_registered from audit.dim_areas limit 1",
            "dim_areas",
        ),
        # What the server takes is counted, not what it was given.
        (
            "create function public.swallow() returns trigger language plpgsql"
            " as 'begin return null; end';"
            " create trigger swallow before insert on marts.fct_work_orders"
            " for each row execute function public.swallow()",
            "fct_work_orders",
        ),
    ],
)
def test_what_changed_after_the_gate_is_not_published(audited, change: str, mart: str) -> None:
    go_on(audited, "check_marts")
    act(audited.settings, change)
    with pytest.raises(FieldscoreError, match=f"marts.{mart} would hold .* Nothing was published"):
        go_on(audited, "publish_night")
    assert run_of(audited.settings, audited.run_id)["status"] == "running"
    assert_the_earlier_marts_stand(audited)


def test_a_publication_that_breaks_off_at_its_last_mart_publishes_none(audited) -> None:
    go_on(audited, "check_marts")
    act(
        audited.settings,
        "create function marts.break_off() returns trigger language plpgsql"
        " as $$ begin raise exception 'power cut'; end $$",
        "create trigger break_off before insert on marts.publication"
        " for each statement execute function marts.break_off()",
    )
    with pytest.raises(psycopg.errors.RaiseException, match="power cut"):
        go_on(audited, "publish_night")
    act(audited.settings, "drop function marts.break_off cascade")
    assert_the_earlier_marts_stand(audited)
    # Tried again, it goes through.
    go_on(audited, "publish_night")
    assert run_of(audited.settings, audited.run_id)["status"] == "published"
    assert marts(audited.settings) != audited.before
