"""The gates: strict suites, what each rule catches, what is kept of it and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from fieldscore import local_postgres, quality
from fieldscore import warehouse as warehouse_
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import PROJECT, Settings
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

NIGHT = date(2026, 3, 9)
MONTH = date(2026, 3, 1)
NOON = datetime(2026, 3, 9, 4)

CONTRACTS = {
    model["name"]: model
    for file in (PROJECT / "dbt_project" / "models" / "marts").glob("*.yml")
    for model in yaml.safe_load(file.read_text())["models"]
    if "constraints" in model
}


# What the tests start from --------------------------------------------------------------------


@dataclass(frozen=True)
class Warehouse:
    url: str

    def connect(self, **options: Any) -> psycopg.Connection:
        return warehouse_.connect(self.url, **options)


@pytest.fixture(scope="module")
def one_warehouse(cluster: Settings) -> Iterator[Warehouse]:
    """One migrated database for this file: making one for each of its many tests takes longer."""
    url = local_postgres.start(cluster)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute("create database quality_gates encoding 'UTF8' template template0")
        place = Warehouse(f"{url.rpartition('/')[0]}/quality_gates")
        with place.connect() as connection:
            warehouse_.migrate(connection, cluster)
        yield place
        server.execute("drop database quality_gates with (force)")


@pytest.fixture
def warehouse(one_warehouse: Warehouse) -> Warehouse:
    """The warehouse, empty."""
    with one_warehouse.connect() as connection:
        tables = connection.execute(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables"
            " where schemaname in ('raw', 'ops') and tablename <> 'time_zones'"
        ).fetchone()
        connection.execute(f"truncate {tables[0]} restart identity cascade")
        connection.execute("drop schema audit cascade; create schema audit")
        connection.execute(
            "drop table if exists ops.accounting, ops.rejects, marts.fct_technician_scores"
        )
    return one_warehouse


def insert(connection: psycopg.Connection, table: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            [Jsonb(value) if isinstance(value, dict) else value for value in row.values()],
        )


def open_run(connection: psycopg.Connection, status: str = "running", **values: Any) -> int:
    [run_id] = connection.execute(
        "insert into ops.runs (business_date, as_of, status, code_version, last_load_id)"
        " values (%s, %s, %s, 'test', %s) returning run_id",
        [values.get("business_date", NIGHT), NOON, status, values.get("last_load_id")],
    ).fetchone()
    return run_id


def deliver(
    connection: psycopg.Connection,
    feed: str,
    *rows: dict[str, Any],
    on: date = NIGHT,
    delivered: int | None = None,
    **declared: Any,
) -> int:
    """Land rows as one file and return its load."""
    connection.execute(
        "insert into ops.declarations"
        " (feed, fingerprint, null_tokens, value_maps, time_zone, patterns, templates)"
        " values (%s, 'x', %s, %s, 'UTC', '{}', '{}') on conflict (feed) do nothing",
        [feed, declared.get("null_tokens", []), Jsonb(declared.get("value_maps", {}))],
    )
    [load_id] = connection.execute(
        "insert into ops.loads (feed, business_date, file, sha256, rows_delivered)"
        " values (%s, %s, %s, 'x', %s) returning load_id",
        [feed, on, f"{on}.csv", len(rows) if delivered is None else delivered],
    ).fetchone()
    provenance = {"load_id": load_id, "row_hash": b"\0" * 16}
    insert(
        connection,
        f"raw.{feed}",
        *({**provenance, "row_number": number, **row} for number, row in enumerate(rows, 1)),
    )
    return load_id


def order(number: int, **values: Any) -> dict[str, Any]:
    return {
        "order_id": f"O{number}",
        "technician_id": "T1",
        "reported_at": "2026-03-08 10:00",
        "status": "completed",
        "completed_at": "2026-03-09 09:00",
        "updated_at": "2026-03-09 09:00",
        **values,
    }


def audited(connection: psycopg.Connection, run_id: int) -> None:
    """A small night as the models would audit it: one technician is scored, one has too little."""
    for name, model in CONTRACTS.items():
        columns = [f"{column['name']} {column['data_type']}" for column in model["columns"]]
        columns.append(f"primary key ({', '.join(model['constraints'][0]['columns'])})")
        connection.execute(f"create table audit.{name} ({', '.join(columns)})")
    # In a night the audit holds a part: what it is held against beside it.
    connection.execute(
        "create table marts.fct_technician_scores (like audit.fct_technician_scores);"
        " create view intermediate.int_day_events as select * from audit.fct_kpi_events"
    )
    connection.execute(
        "create table ops.accounting (load_id bigint, feed varchar, business_date date,"
        " delivered bigint, current_rows bigint, superseded bigint, unchanged bigint,"
        " rejected bigint)"
    )
    connection.execute(
        "create table ops.rejects (feed varchar, file varchar, row_number bigint,"
        " column_name varchar, row jsonb)"
    )
    load = {"feed": "work_orders", "business_date": NIGHT, "delivered": 1000}
    fates = {"current_rows": 900, "superseded": 60, "unchanged": 31, "rejected": 9}
    insert(connection, "ops.accounting", {"load_id": 1, **load, **fates})
    insert(
        connection,
        "audit.publication",
        {"run_id": run_id, "business_date": NIGHT, "as_of": NOON, "policy_version": "v1"},
    )
    insert(connection, "audit.dim_areas", {"area_id": "A1", "time_zone": "Asia/Shanghai"})
    for technician_id in ("T1", "T2"):
        row = {"technician_id": technician_id, "area_id": "A1", "is_registered": True}
        insert(connection, "audit.dim_technicians", row)
    insert(connection, "audit.dim_periods", {"period_month": MONTH, "status": "open", "edition": 0})
    insert(
        connection,
        "audit.dim_kpis",
        *(
            {"policy_version": "v1", "kpi_code": code, "family": family, "weight": weight} | measure
            for code, family, weight, measure in (
                ("on_time_24h", "workload", 60, {"measure": "rate"}),
                ("travel_cost_index", "cost", 40, {"measure": "index"}),
            )
        ),
    )
    insert(
        connection,
        "audit.fct_benchmarks",
        {"period_month": MONTH, "kpi_code": "on_time_24h", "stratum": "all", "rate": 0.1},
    )
    insert(
        connection,
        "audit.fct_pauses",
        {"pause_id": "P1", "started_at": NOON, "ended_at": NOON, "eligible": False},
    )
    insert(
        connection,
        "audit.fct_recognitions",
        {"recognition_id": "R1", "eligible": True, "points": 1, "evidence_ref": "letter"},
    )
    for order_id, technician_id in (("O1", "T1"), ("O2", "T2")):
        insert(
            connection,
            "audit.fct_work_orders",
            {
                "order_id": order_id,
                "technician_id": technician_id,
                "accountable_technician_id": technician_id,
                "area_id": "A1",
                "status": "completed",
                "business_date": NIGHT,
            },
        )
        for kpi_code in ("on_time_24h", "travel_cost_index"):
            counts = technician_id == "T1" or kpi_code == "on_time_24h"
            insert(
                connection,
                "audit.fct_kpi_events",
                {
                    "kpi_code": kpi_code,
                    "feed": "work_orders",
                    "record_key": order_id,
                    "technician_id": technician_id,
                    "business_date": NIGHT,
                    "eligible": counts,
                    "reason_code": None if counts else "no_claim",
                    "mature": True,
                },
            )
            if counts:
                insert(
                    connection,
                    "audit.fct_kpi_days",
                    {
                        "technician_id": technician_id,
                        "business_date": NIGHT,
                        "kpi_code": kpi_code,
                        "n": 1,
                        "n_immature": 0,
                    },
                )
    person = {"period_month": MONTH, "edition": 0}
    counted = {"n": 1, "n_immature": 0}
    for technician_id, kpi_code, value, points, weight, contribution in (
        ("T1", "on_time_24h", 0.9, 80, 60, 48),
        ("T1", "travel_cost_index", 1.2, 50, 40, 20),
        ("T2", "on_time_24h", 0, 0, 100, None),
        ("T2", "travel_cost_index", None, None, None, None),
    ):
        insert(
            connection,
            "audit.fct_technician_kpis",
            {**person, **counted, "technician_id": technician_id, "kpi_code": kpi_code}
            | {"raw_value": value, "adjusted_value": value, "points": points}
            | {"effective_weight": weight, "contribution": contribution}
            | {"available": value is not None},
        )
    scored = {**person, "technician_id": "T1", "status": "scored", "score": 68}
    unscored = {**person, "technician_id": "T2", "status": "insufficient_data"}
    insert(connection, "audit.fct_technician_scores", scored, unscored)
    for line_no, (kind, points, key) in enumerate(
        [
            ("full_marks", 6000, None),
            ("event", -1200, "O1"),
            ("full_marks", 4000, None),
            ("event", -2000, "O1"),
        ]
    ):
        insert(
            connection,
            "audit.fct_score_lines",
            {**person, "technician_id": "T1", "line_no": line_no, "line_kind": kind}
            | {"points": points, "evidence_feed": key and "work_orders", "evidence_key": key},
        )


def suites_of(folder: Path, path: str, *rules: dict[str, Any], **keys: Any) -> Path:
    """A folder with one suite: a row-count rule, then these rules."""
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    said = {"severity": "warning", "notes": "It is so."}
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    table = file.stem if "." in file.stem else f"{file.parent.name}.{file.stem}"
    content = {"table": table, "expectations": [{**said, **rule} for rule in (count, *rules)]}
    file.write_text(yaml.safe_dump({**content, **keys}))
    return folder


def in_sql(query: str, **keys: Any) -> dict[str, Any]:
    return {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": query},
        **keys,
    }


def not_null(column: str, **keys: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column}, **keys}


def said(findings: list[quality.Finding]) -> list[str]:
    """The sentences of the rules that were found broken."""
    return [finding.expectation.partition(": ")[2] for finding in findings]


# The suites -----------------------------------------------------------------------------------


def test_every_feed_and_every_mart_has_a_suite_that_great_expectations_understands() -> None:
    suites = quality.validate_suites()
    tables = {layer: {suite.table for suite in found} for layer, found in suites.items()}
    assert tables == {
        "raw": {f"raw.{feed}" for feed in canonical_feeds()} | {"ops.loads"},
        "audit": {f"audit.{mart}" for mart in CONTRACTS} | {"ops.accounting"},
    }
    assert "audit.fct_technician_scores" in tables["audit"]


def test_linting_the_suites_does_not_import_great_expectations() -> None:
    code = (
        "import sys; from fieldscore import quality; assert quality.load_suites();"
        " assert 'great_expectations' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


RULE = """
table: raw.areas
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
    severity: critical
    notes: There are areas.
"""
SECOND = """
  - type: expect_column_values_to_not_be_null
    kwargs: {column: name}
    severity: warning
    notes: Every area has a name.
"""


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        (RULE.replace("raw.areas", "raw.area"), None, "must be 'raw.areas'"),
        (RULE + "colour: red\n", None, "unknown key colour"),
        (RULE.replace("\nexpectations", "\nrows: some\nexpectations"), None, "rows is 'some'"),
        (RULE + "table: raw.areas\n", None, "'table' is there twice"),
        (RULE + SECOND.replace("severity: warning", "severity: warning\n    severity: critical"),
         None, "'severity' is there twice"),
        ("table: raw.areas\nexpectations: []\n", None, "an empty suite passes anything"),
        ("table: raw.areas\n", None, "an empty suite passes anything"),
        ("", None, "must hold the keys"),
        ("table: [raw", None, "not readable as YAML"),
        (RULE + "  - expect_something\n", 2, "not a mapping"),
        (RULE + SECOND.replace("kwargs", "kwarg"), 2, "unknown key kwarg"),
        (RULE + SECOND.replace("    notes: Every area has a name.\n", ""), 2, "notes is missing"),
        (RULE + SECOND.replace("Every area has a name.", "''"), 2, "notes must say"),
        (RULE + SECOND.replace("warning", "fatal"), 2, "severity is 'fatal'"),
        (RULE + SECOND.replace("{column: name}", "name"), 2, "kwargs a mapping"),
        (RULE + SECOND + SECOND.replace("has a name", "is named"), 3, "same rule is there twice"),
        (RULE + SECOND.replace("column: name", "column: nme"), 2, "no column nme"),
        (RULE.replace("expect_table_row_count", "expect_table_column_count"), 1, "must come first"),
        (RULE.replace("min_value: 1", "min_value: 0"), 1, "must come first"),
        (RULE + SECOND.replace("to_not_be_null", "to_not_be_nul"), 2, "is no rule"),
        (RULE + SECOND.replace("column: name", "column: name, mosty: 1"), 2, "is no rule"),
        (RULE + SECOND.replace("column: name", "column: name, mostly: 3"), 2, "is no rule"),
    ],
)  # fmt: skip
def test_a_wrong_suite_is_refused_with_file_entry_and_reason(
    tmp_path: Path, text: str, entry: int | None, reason: str
) -> None:
    file = tmp_path / "raw" / "areas.yml"
    file.parent.mkdir()
    file.write_text(RULE + SECOND)
    assert quality.validate_suites(tmp_path)
    file.write_text(text)
    with pytest.raises(FieldscoreError) as refused:
        quality.validate_suites(tmp_path)
    assert f"{file}{f', expectation {entry}' if entry else ''}: " in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select 1", "never reads {batch}"),
        ("select {feed} from {batch}", "unknown placeholder feed"),
        ("select {} from {batch}", "unknown placeholder"),
        ("select '{' from {batch}", "a brace that is meant is doubled"),
    ],
)
def test_a_wrong_query_is_refused(tmp_path: Path, query: str, reason: str) -> None:
    suites_of(tmp_path, "raw/areas.yml", in_sql(query))
    with pytest.raises(FieldscoreError, match=r"areas\.yml, expectation 2") as refused:
        quality.load_suites(tmp_path)
    assert reason in str(refused.value)


def test_no_suites_or_one_that_no_gate_can_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldscoreError, match="holds no expectations"):
        quality.load_suites(tmp_path)
    suites_of(tmp_path, "audit/dim_areas.yml", rows="tonight")
    with pytest.raises(FieldscoreError, match="needs a load_id"):
        quality.load_suites(tmp_path)
    suites_of(tmp_path, "adit/dim_areas.yml")
    with pytest.raises(FieldscoreError, match="no gate reads it"):
        quality.load_suites(tmp_path)


# The audited marts ----------------------------------------------------------------------------


def test_a_good_night_keeps_every_rule_and_every_result_is_stored(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        audited(connection, run_id)
        outcome = quality.check(warehouse.url, "marts", "audit", run_id)
        quality.raise_on_critical(outcome)
        assert outcome.criticals == outcome.warnings == []
        stored = connection.execute(
            "select gate, table_name, expectation, severity, success, observed"
            " from ops.quality_results where run_id = %s",
            [run_id],
        ).fetchall()
    rules = [
        ("marts", suite.table, rule.label, rule.severity, True)
        for suite in quality.load_suites()["audit"]
        for rule in suite.rules
    ]
    assert sorted(row[:5] for row in stored) == sorted(rules)
    observed = {row[1:3]: row[5] for row in stored}
    rows = "expect_table_row_count_to_be_between: There are orders."
    assert observed["audit.fct_work_orders", rows] == {"observed_value": 2}


LINES_ADD_UP = (
    "The lines of every score add up to it, to the last hundredth, and no score means no lines."
)
CONTRIBUTIONS_ADD_UP = (
    "The contributions of a scored technician and his recognitions add up to his score,"
    " the effective weights to 100."
)
BROKEN = [
    ("fct_work_orders", "delete from audit.fct_work_orders", {"There are orders."}),
    ("fct_work_orders",
     "update audit.fct_work_orders"
     " set technician_id = 'T9', status = 'done', business_date = '2026-04-09'",
     {"Every order's technicians and area are in dim_technicians and dim_areas.",
      "Every order is open, in progress, completed or cancelled.",
      "At most 1 of 100 orders counts for a day after the business date; more is a wrong clock."}),
    ("fct_work_orders", "update audit.fct_work_orders set area_id = 'A9', business_date = null",
     {"Every order's technicians and area are in dim_technicians and dim_areas.",
      "Every order has a business date."}),
    ("dim_technicians", "update audit.dim_technicians set area_id = 'A9'",
     {"Every technician's area is in dim_areas."}),
    ("dim_areas", "update audit.dim_areas set time_zone = null",
     {"Every area has a time zone, else its business dates are unknown."}),
    ("dim_areas",
     "update audit.dim_areas set is_registered = false; insert into ops.rejects values"
     " ('areas', 'a.csv', 1, 'time_zone', '{\"area_id\": \" A1\", \"time_zone\": \"Mars\"}')",
     {"No area whose time zone is unknown falls back to the company's, a wrong date for all its"
      " orders."}),
    ("dim_kpis", "update audit.dim_kpis set weight = 50.0001, family = 'pay'",
     {"The weights of a policy version sum to 100.", "Every KPI belongs to a family."}),
    ("dim_periods", "update audit.dim_periods set status = 'shut'",
     {"Every period is open, in preview or closed."}),
    ("fct_benchmarks", "update audit.fct_benchmarks set rate = 0, mean = 3",
     {"A benchmark's failure rate is held to 0.001-0.999.",
      "A benchmark is a rate or a mean, never both."}),
    ("fct_kpi_events", "update audit.fct_kpi_events set reason_code = null, technician_id = 'T9'",
     {"Every record that does not count says why.",
      "Every record that counts has its technician, and he is in dim_technicians."}),
    ("fct_kpi_days", "update audit.fct_kpi_days set n = -1, n_immature = -1",
     {"A count of records is not negative.",
      "A count of immature records is not negative.",
      "The day cells hold every record that counts, once; an available day is none."}),
    ("fct_technician_kpis",
     "update audit.fct_technician_kpis"
     " set raw_value = 1.01, points = 100.01, n = -1, ci_high = 1.01 where contribution = 48",
     {"A rate, raw or adjusted, lies between 0 and 1.",
      "Points lie between 0 and 100.",
      "A count of records is not negative.",
      "The upper end of a rate's interval is a rate."}),
    ("fct_technician_kpis",
     "update audit.fct_technician_kpis"
     " set weight = 60, points = case when available then null else 0 end",
     {"An available KPI has a value, points and, if it is weighted, an effective weight.",
      "An unavailable KPI has no value, points or weight, not even zero."}),
    ("fct_technician_scores",
     "update audit.fct_technician_kpis set effective_weight = 60.0000002 where contribution = 48",
     {CONTRIBUTIONS_ADD_UP}),
    ("fct_technician_scores",
     "update audit.fct_technician_scores"
     " set score = case when score is null then 0 else 105.01 end",
     {"A score lies between 0 and 100, and at most 5 recognitions above.",
      "Who is scored has a score, and nobody else.", CONTRIBUTIONS_ADD_UP}),
    ("fct_technician_scores",
     "update audit.fct_technician_scores set technician_id = 'T9' where score > 0",
     {"Every score is of a technician in dim_technicians and a period in dim_periods.",
      CONTRIBUTIONS_ADD_UP}),
    ("fct_score_lines",
     "update audit.fct_score_lines set points = 6001 where line_no = 0",
     {LINES_ADD_UP}),
    ("fct_score_lines", "delete from audit.fct_score_lines", {LINES_ADD_UP}),
    ("fct_score_lines", "update audit.fct_score_lines set evidence_key = null",
     {"A record that costs points is named."}),
    ("publication",
     "insert into audit.publication select 0, '2026-03-08';"
     "alter table audit.fct_kpi_events drop constraint fct_kpi_events_pkey;"
     "update ops.accounting set superseded = 61",
     {"The marts show one night.", "That night is this run's.",
      "The marts say as of when they are.", "The marts say by which policy they are scored.",
      "The primary key of every mart is in force, so every key is there once and none is empty.",
      "Of every recent load, delivered = current + superseded + unchanged + rejected; no row is"
      " lost."}),
    ("publication", "update ops.accounting set rejected = 209, current_rows = 700",
     {"At least 4 of 5 rows delivered tonight can be used; fewer is a wrong declaration."}),
]  # fmt: skip


@pytest.mark.parametrize(("table", "change", "broken"), BROKEN)
def test_a_broken_mart_stops_the_night_for_exactly_what_is_broken(
    warehouse: Warehouse, table: str, change: str, broken: set[str]
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        audited(connection, run_id)
        connection.execute(change)
    outcome = quality.check(warehouse.url, "marts", "audit", run_id, [table])
    assert set(said(outcome.criticals)) == broken
    with pytest.raises(FieldscoreError, match="the earlier marts still stand"):
        quality.raise_on_critical(outcome)


def test_what_is_only_odd_is_told_and_does_not_stop_the_night(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        audited(connection, run_id)
        connection.execute(
            "truncate audit.fct_score_lines, audit.fct_technician_scores, audit.fct_technician_kpis"
        )
        connection.execute(
            "update audit.dim_technicians set is_registered = false where technician_id = 'T2'"
        )
        connection.execute("update ops.accounting set rejected = 11, current_rows = 898")
    outcome = quality.check(warehouse.url, "marts", "audit", run_id)
    quality.raise_on_critical(outcome)
    assert set(said(outcome.warnings)) == {
        "There are lines that explain scores.",
        "There are technicians with a period.",
        "There are KPIs of technicians.",
        "Every technician is registered in the technicians feed, where there is one.",
        "At most 1 of 100 rows delivered tonight is rejected; ops.rejects says which and why.",
    }
    assert "Observed: 1 row, such as technician_id T2." in str(outcome)


def test_the_refusal_names_gate_table_rule_and_what_was_observed(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        audited(connection, run_id)
        connection.execute("update audit.fct_technician_scores set score = 117.25 where score > 0")
    outcome = quality.check(warehouse.url, "marts", "audit", run_id, ["fct_technician_scores"])
    with pytest.raises(FieldscoreError) as stopped:
        quality.raise_on_critical(outcome)
    message = str(stopped.value)
    assert f"Gate marts stops run {run_id}: 2 critical rules do not hold." in message
    assert (
        "- audit.fct_technician_scores · expect_column_values_to_be_between(score): A score lies"
        " between 0 and 100, and at most 5 recognitions above."
        " Observed: 1 of 2 values (100 %), such as 117.25."
    ) in message


# Raw ------------------------------------------------------------------------------------------


def check_raw(warehouse: Warehouse, run_id: int, *feeds: str) -> quality.Outcome:
    return quality.check(warehouse.url, "raw", "raw", run_id, list(feeds))


def test_a_good_delivery_keeps_every_rule_and_undeclared_feeds_are_not_asked_for(
    warehouse: Warehouse,
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(connection, "work_orders", *(order(n) for n in range(50)))
    outcome = check_raw(warehouse, run_id, "work_orders")
    assert {finding.table for finding in outcome.findings} == {"raw.work_orders", "ops.loads"}
    assert outcome.criticals == outcome.warnings == []
    assert len(outcome.findings) > 10


DAY = {"updated_at": "2026-03-09"}
OPTIONAL = {
    "visits": {
        "visit_id": "V1", "order_id": "O1", "technician_id": "T1", "role": "lead",
        "arrived_at": "2026-03-09T09:00", "left_at": "2026-03-09T10:00", "outcome": "fixed", **DAY,
    },
    "pauses": {
        "pause_id": "P1", "order_id": "O1", "owner": "parts", "started_at": "2026-03-09T09:00",
        "ended_at": "2026-03-09T10:00",
    },
    "complaints": {
        "complaint_id": "C1", "order_id": "O1", "received_at": "2026-03-09",
        "category": "technician", **DAY,
    },
    "inspections": {
        "inspection_id": "I1", "order_id": "O1", "points_possible": "10", "points_earned": "9",
    },
    "parts": {
        "part_line_id": "L1", "order_id": "O1", "quantity_used": "1", "unit_cost": "12.50", **DAY,
    },
    "recognitions": {"recognition_id": "R1", "technician_id": "T1", "kind": "praise"},
    "training": {"training_id": "TR1", "technician_id": "T1"},
    "roster": {"technician_id": "T1", "work_date": "2026-03-09", "available_minutes": "480"},
    "corrections": {
        "correction_id": "K1", "target_feed": "work_orders", "target_key": "O1",
        "field": "fault_code", "decision": "upheld", "evidence_ref": "photo", "decided_by": "Li",
    },
}  # fmt: skip


def test_all_feeds_of_a_good_night_keep_every_rule(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        zone = {"area_id": "A1", "name": "North", "time_zone": "Asia/Shanghai", "calendar_id": "c"}
        person = {"name": "Wei", "area_id": "A1", "updated_at": "2026-01-01"}
        survey = {"sent_at": "2026-03-09", "updated_at": "2026-03-09", "order_id": "O1"}
        claim = {"incurred_on": "2026-03-09", "kind": "travel", "amount": "12.50"}
        deliver(connection, "areas", zone)
        deliver(connection, "technicians", {"technician_id": "T1", **person})
        deliver(connection, "work_orders", order(1))
        deliver(connection, "surveys", {"survey_id": "S1", "rating": "5", **survey})
        deliver(
            connection,
            "expenses",
            {"expense_id": "E1", "technician_id": "T1", "status": "approved", **claim},
        )
        for feed, values in OPTIONAL.items():
            deliver(connection, feed, values)
    outcome = quality.check(warehouse.url, "raw", "raw", run_id)
    assert {f.table for f in outcome.findings} == {f"raw.{f}" for f in canonical_feeds()} | {
        "ops.loads"
    }
    assert [str(f) for f in outcome.findings if not f.success] == []


def test_only_the_rows_since_the_last_published_night_are_judged(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        nameless = {"order_id": None}
        old = deliver(connection, "work_orders", *(order(n) | nameless for n in range(9)))
        open_run(connection, "published", last_load_id=old)
        failed = deliver(connection, "work_orders", order(1), on=date(2026, 3, 10))
        open_run(connection, "failed", last_load_id=failed)
        deliver(connection, "work_orders", order(2), on=date(2026, 3, 11))
        run_id = open_run(connection)
    outcome = check_raw(warehouse, run_id, "work_orders")
    assert outcome.criticals == outcome.warnings == []
    [rows] = [
        f for f in outcome.findings if f.expectation.endswith("Tonight brings work-order rows.")
    ]
    assert rows.observed == {"observed_value": 2}, "the failed night's rows and tonight's"


@pytest.mark.parametrize(
    ("days_before", "because", "criticals"),
    [
        (29, None, {"At least 99 of 100 rows name their complaint."}),
        (30, None, set()),
        (30, "a rebuild was asked for", {"At least 99 of 100 rows name their complaint."}),
    ],
)
def test_of_what_need_not_come_every_night_the_last_30_days_are_judged(
    warehouse: Warehouse, days_before: int, because: str | None, criticals: set[str]
) -> None:
    complaint = {"order_id": "O", "received_at": "2026-02-01T08:00:00Z", "category": "price"}
    with warehouse.connect(autocommit=True) as connection:
        deliver(connection, "complaints", complaint, on=NIGHT - timedelta(days=days_before))
        # Another feed's, too late, of an earlier date: the newest delivery counts, not the last.
        deliver(connection, "work_orders", order(1), on=NIGHT - timedelta(days=400))
        deliver(connection, "complaints", complaint | {"complaint_id": "C"})
        run_id = open_run(connection)
        connection.execute(
            "update ops.runs set rebuilt_because = %s where run_id = %s", [because, run_id]
        )
    assert set(said(check_raw(warehouse, run_id, "complaints").criticals)) == criticals


def test_raw_is_read_as_its_declaration_says(warehouse: Warehouse) -> None:
    """Their words count as ours, and their word for nothing is nothing."""
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(
            connection,
            "work_orders",
            *(order(n, status=" 已完成 ", technician_id="?") for n in range(30)),
            null_tokens=["?"],
            value_maps={"status": {"已完成": "completed"}},
        )
    outcome = check_raw(warehouse, run_id, "work_orders")
    [finding] = outcome.criticals
    assert said([finding]) == [
        "At least half of the completed rows name their technician, else hardly anyone is credited."
    ]
    assert finding.observed["examples"] == [{"completed": 30, "with_technician": 0}]


@pytest.mark.parametrize(
    ("feed", "rows", "criticals", "warnings"),
    [
        ("work_orders", [order(n) for n in range(98)] + [order(0, order_id=" ")] * 2,
         {"At least 99 of 100 rows name their order."}, {"Every row names its order."}),
        ("work_orders", [order(n) for n in range(199)] + [order(0, order_id="")],
         set(), {"Every row names its order."}),
        ("work_orders", [order(n, status="Finished") for n in range(9)],
         {"At least 9 of 10 rows have a status of ours, by themselves or by the declaration's"
          " words."}, set()),
        ("work_orders", [order(n, updated_at="", reported_at="") for n in range(9)],
         {"At least 99 of 100 rows say when they came to be.",
          "At least 99 of 100 rows say when the fault was reported."}, set()),
        ("work_orders", [order(1, order_id="x" * 65)],
         set(), {"An order's id has at most 64 characters, as ids have and sentences have not."}),
        ("work_orders", [], set(), {"Tonight brings work-order rows."}),
        ("surveys", [{"survey_id": "S", "order_id": "O", "updated_at": "x", "rating": "80"}],
         {"At least 9 of 10 ratings lie on the scale from 1 to 5; another scale would ruin every"
          " score."}, set()),
        ("expenses", [{"expense_id": "E", "kind": "travel", "status": "approved"}],
         {"At least 99 of 100 rows name who claims.", "At least 99 of 100 rows name an amount."},
         set()),
        ("technicians", [], set(), {"A declared technicians feed has delivered technicians."}),
        ("areas", [{"area_id": "A1", "time_zone": "CST"}], set(),
         {"Every area names an IANA time zone; a row without one is rejected and its dates are"
          " unknown."}),
    ],
)  # fmt: skip
def test_a_broken_delivery_is_told_or_stops_the_night(
    warehouse: Warehouse,
    feed: str,
    rows: list[dict[str, Any]],
    criticals: set[str],
    warnings: set[str],
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(connection, feed, *rows)
    outcome = check_raw(warehouse, run_id, feed)
    assert set(said(outcome.criticals)) == criticals
    assert set(said(outcome.warnings)) == warnings


def test_an_unknown_technician_is_told_once_there_is_a_technicians_feed(
    warehouse: Warehouse,
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(connection, "work_orders", order(1), order(2, technician_id="T8"))
        assert check_raw(warehouse, run_id, "work_orders").warnings == []
        deliver(connection, "technicians", {"technician_id": "T1 "})
    [finding] = check_raw(warehouse, run_id, "work_orders").warnings
    assert finding.observed["examples"] == [{"technician_id": "T8", "rows_naming_him": 1}]


def test_an_old_delivery_delivered_again_stops_the_night(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        old = deliver(connection, "work_orders", order(1), on=date(2026, 3, 8))
        open_run(connection, "published", last_load_id=old)
        run_id = open_run(connection)
        deliver(connection, "work_orders", delivered=1)
    [finding] = check_raw(warehouse, run_id, "work_orders").criticals
    assert "not an old one again" in str(finding)


@pytest.mark.parametrize(
    ("tonight", "criticals", "warnings"),
    # Smallest and largest of the seven before: a Saturday's 311 and a Wednesday's 2706 rows of the
    # example feed. Its real Sunday of 89 rows is told; it is no reason to stop.
    [(89, 0, 1), (156, 0, 0), (5412, 0, 0), (5413, 0, 1), (31, 1, 1)],
)
def test_volume_is_held_against_the_seven_deliveries_before(
    warehouse: Warehouse, tonight: int, criticals: int, warnings: int
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        before = [9, 311, 2265, 2667, 2706, 1790, 1953, 332]
        loads = [
            deliver(connection, "surveys", on=date(2026, 3, day), delivered=delivered)
            for day, delivered in enumerate(before, 1)
        ]
        open_run(connection, "published", last_load_id=loads[-1])
        deliver(connection, "surveys", delivered=tonight)
    outcome = check_raw(warehouse, run_id)
    assert (len(outcome.criticals), len(outcome.warnings)) == (criticals, warnings)
    if criticals:
        [example] = outcome.criticals[0].observed["examples"]
        assert example["feed"] == "surveys"
        assert (float(example["delivered"]), float(example["smallest_before"])) == (tonight, 311)
        assert f"delivered {tonight}, smallest_before 311." in str(outcome.criticals[0])


@pytest.mark.parametrize(
    ("fridays", "tonight", "critical"),
    # Fridays as in the example's real feed, whose Good Friday had 282 rows.
    [
        ([1782, 1953, 2034, 2100], 282, True),
        ([1782, 1953, 2034, 2100], 996, True),  # half the median of 1993.5
        ([1782, 1953, 2034, 2100], 997, False),
        ([9000, 1953, 2034, 2100], 1034, False),  # one outlier does not raise what is usual
        ([1953, 2034, 2100], 282, False),  # three weeks are not yet a habit
        ([20, 29, 30, 31], 1, False),  # too few to tell
        ([1782, 1953, 2034, 2100], 0, True),
    ],
)
def test_a_source_that_shrinks_to_half_of_its_own_past_stops_the_night(
    warehouse: Warehouse, fridays: list[int], tonight: int, critical: bool
) -> None:
    night = date(2026, 3, 6)
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection, business_date=night)
        for weeks, delivered in enumerate(reversed(fridays), 1):
            friday = night - timedelta(weeks=weeks)
            deliver(connection, "surveys", on=friday, delivered=delivered)
            # A weekend knows nothing of a Friday.
            deliver(connection, "surveys", on=friday + timedelta(days=2), delivered=50)
        deliver(connection, "surveys", on=night, delivered=tonight)
        deliver(connection, "work_orders", on=night, delivered=5)
    outcome = check_raw(warehouse, run_id)
    found = [f for f in outcome.criticals if "same weekday" in f.expectation]
    assert len(found) == critical
    for finding in found:
        [example] = finding.observed["examples"]
        assert (example["feed"], int(example["delivered"])) == ("surveys", tonight)
        assert example["usual"] == 1993.5


@pytest.mark.parametrize(
    ("gaps", "silent", "criticals", "warnings"),
    [
        # Every day: a day without is told, the third stops the night.
        ([1] * 7, 0, 0, 0),
        ([1] * 7, 1, 0, 1),
        ([1] * 7, 2, 0, 1),
        ([1] * 7, 3, 1, 1),
        # On working days: Friday to Monday is no silence.
        ([1, 1, 1, 1, 3, 1, 1, 1, 1], 2, 0, 0),
        ([1, 1, 1, 1, 3, 1, 1, 1, 1], 3, 0, 1),
        ([1, 1, 1, 1, 3, 1, 1, 1, 1], 9, 1, 1),
        # Too young to have habits; and a long gap of long ago is forgotten.
        ([1] * 6, 9, 0, 0),
        ([60, *[1] * 30], 3, 1, 1),
    ],
)
def test_a_feed_that_stops_is_told_and_then_stops_the_night(
    warehouse: Warehouse, gaps: list[int], silent: int, criticals: int, warnings: int
) -> None:
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        day = NIGHT - timedelta(days=silent)
        for gap in [0, *reversed(gaps)]:
            day -= timedelta(days=gap)
            deliver(connection, "complaints", on=day, delivered=40)
        # Files without a row are no sign of life, and what comes later has not come yet.
        if silent:
            deliver(connection, "complaints", on=NIGHT, delivered=0)
        deliver(connection, "complaints", on=NIGHT + timedelta(days=1), delivered=40)
        deliver(connection, "work_orders", delivered=5)

    def told(findings: list[quality.Finding]) -> list[dict[str, Any]]:
        mine = [f for f in findings if "silent" in f.expectation or "in time" in f.expectation]
        return [example for finding in mine for example in finding.observed["examples"]]

    outcome = check_raw(warehouse, run_id)
    assert [len(told(outcome.criticals)), len(told(outcome.warnings))] == [criticals, warnings]
    for example in told(outcome.criticals):
        assert example["feed"] == "complaints"
        assert example["last_delivered"] == str(NIGHT - timedelta(days=silent))
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("delete from ops.declarations where feed = 'complaints'")
    outcome = check_raw(warehouse, run_id)
    assert told(outcome.criticals) == told(outcome.warnings) == []


# What is kept, and what never is --------------------------------------------------------------


def test_no_value_of_a_personal_column_is_kept_or_shown(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = suites_of(
        tmp_path,
        "raw/surveys.yml",
        {"type": "expect_column_values_to_be_in_set",
         "kwargs": {"column": "comment", "value_set": ["fine"]}},
        {"type": "expect_column_values_to_be_in_set",
         "kwargs": {"column": "channel", "value_set": ["sms"]}},
        {"type": "expect_column_distinct_values_to_be_in_set",
         "kwargs": {"column": "respondent_id", "value_set": ["fine"]}},
        {"type": "expect_column_most_common_value_to_be_in_set",
         "kwargs": {"column": "respondent_id", "value_set": ["fine"]}},
        in_sql("select comment as channel from {batch} as surveys"),
        in_sql("select surveys.* from {batch} as surveys"),
        in_sql("select distinct * from {batch} as surveys"),
        in_sql("select channel from {batch} as surveys"),
        in_sql("select channel from {batch} as surveys where cast(comment as integer) = 1"),
    )  # fmt: skip
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        secret = {"respondent_id": "secret-hash", "comment": "secret words"}
        deliver(connection, "surveys", {"survey_id": "S1", "channel": "pigeon", **secret})
        outcome = quality.check(warehouse.url, "raw", "raw", run_id, ["surveys"], folder)
        kept = connection.execute("select observed from ops.quality_results").fetchall()
    assert len(kept) == 10
    told = json.dumps([observed for (observed,) in kept], ensure_ascii=False)
    page = quality.build_docs(warehouse.url, tmp_path / "docs").read_text()
    for text in (told, page, str(outcome), "".join(map(str, outcome.findings))):
        assert "secret" not in text
    assert told.count("pigeon") == 2, "what is not personal is shown, in a column and in a row"
    assert told.count('"unexpected_rows": 1') == 4
    assert told.count("withheld") == 1


def test_a_rerun_of_a_gate_replaces_its_results_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = suites_of(tmp_path, "raw/areas.yml", not_null("name"))
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(connection, "areas", {"area_id": "A1", "name": ""})
        for gate in ("raw", "again", "raw"):
            quality.check(warehouse.url, gate, "raw", run_id, None, folder)
        connection.execute("update raw.areas set name = 'North'")
        quality.check(warehouse.url, "raw", "raw", run_id, None, folder)
        kept = connection.execute(
            "select gate, count(*), bool_and(success) from ops.quality_results"
            " group by gate order by gate"
        ).fetchall()
    assert kept == [("again", 2, False), ("raw", 2, True)]


def test_a_run_that_lost_the_lease_keeps_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = suites_of(tmp_path, "raw/areas.yml")
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection, "abandoned")
        with pytest.raises(FieldscoreError, match="no longer holds the lease"):
            quality.check(warehouse.url, "raw", "raw", run_id, None, folder)
        with pytest.raises(FieldscoreError, match="no run 77"):
            quality.check(warehouse.url, "raw", "raw", 77, None, folder)
        assert connection.execute("select count(*) from ops.quality_results").fetchone() == (0,)


# What cannot be evaluated ---------------------------------------------------------------------


def test_a_missing_column_a_missing_table_and_broken_sql_are_critical(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = suites_of(
        tmp_path, "audit/here.yml", not_null("gone"), in_sql("select x from {batch}")
    )
    suites_of(tmp_path, "audit/nowhere.yml")
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        connection.execute(
            "create table audit.here (id integer); insert into audit.here values (1)"
        )
    outcome = quality.check(warehouse.url, "marts", "audit", run_id, None, folder)
    assert outcome.warnings == []
    [column, query, table] = [f.observed["error"] for f in outcome.criticals]
    assert column == "the column gone is missing"
    assert 'column "x" does not exist' in query
    assert table == "the table audit.nowhere is missing"


def test_a_table_without_a_suite_is_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(
        FieldscoreError, match=r"raw\.moods has no expectations; write .*moods\.yml"
    ):
        check_raw(warehouse, 1, "work_orders", "moods")


def test_a_warehouse_that_goes_away_is_a_passing_fault(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = suites_of(
        tmp_path,
        "raw/areas.yml",
        in_sql("select pg_terminate_backend(pg_backend_pid()) from {batch} as areas"),
    )
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        deliver(connection, "areas", {"area_id": "A1"})
        with pytest.raises(PassingFault, match=r"raw\.areas: the warehouse went away"):
            quality.check(warehouse.url, "raw", "raw", run_id, None, folder)
        assert connection.execute("select count(*) from ops.quality_results").fetchone() == (0,)


def test_a_rule_that_great_expectations_drops_is_noticed(
    warehouse: Warehouse, tmp_path, monkeypatch
) -> None:
    from great_expectations.validator.v1_validator import Validator

    validate = Validator.validate_expectation_suite

    def forgetful(*arguments: Any) -> Any:
        results = validate(*arguments)
        results.results = results.results[:1]
        return results

    monkeypatch.setattr(Validator, "validate_expectation_suite", forgetful)
    folder = suites_of(tmp_path, "raw/areas.yml", not_null("name"))
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
    with pytest.raises(FieldscoreError, match="did not evaluate this rule"):
        quality.check(warehouse.url, "raw", "raw", run_id, None, folder)


def test_any_password_and_any_way_to_name_the_place_works(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = suites_of(tmp_path, "audit/here.yml")
    password = "p$HOME${x}%s@/: '"  # noqa: S105 - of a role of this test alone
    role = f"odd_{os.urandom(4).hex()}"
    with warehouse.connect(autocommit=True) as connection:
        run_id = open_run(connection)
        names = {"role": sql.Identifier(role), "password": sql.Literal(password)}
        connection.execute(
            sql.SQL("create role {role} superuser login password {password}").format(**names)
        )
        connection.execute("create table audit.here (id integer)")
        place = make_conninfo(warehouse.url, user=role, password=password)
        try:
            outcome = quality.check(place, "marts", "audit", run_id, None, folder)
            assert [finding.observed for finding in outcome.findings] == [{"observed_value": 0}]
        finally:
            connection.execute(sql.SQL("drop role {role}").format(**names))


# The data docs --------------------------------------------------------------------------------


def test_the_data_docs_show_the_newest_run_whole_and_the_last_thirty_at_all(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert "No gate has run yet" in quality.build_docs(warehouse.url, tmp_path).read_text()
    with warehouse.connect(autocommit=True) as connection:
        for number in range(33):
            run_id = open_run(connection, "published")
            for success in (True, False):
                insert(
                    connection,
                    "ops.quality_results",
                    {"run_id": run_id, "gate": "raw", "table_name": "raw.areas"}
                    | {"expectation": f"rule <{number}> {success}", "severity": "warning"}
                    | {"success": success, "observed": {"unexpected_rows": 3}},
                )
    index = quality.build_docs(warehouse.url, tmp_path)
    assert index == tmp_path / "index.html"
    assert list(tmp_path.iterdir()) == [index]
    page = index.read_text()
    assert page.count("<details") == 30
    assert "rule &lt;32&gt; True" in page
    assert "rule &lt;31&gt; False" in page
    assert "rule &lt;31&gt; True" not in page
    assert "rule &lt;3&gt; False" in page
    assert "rule &lt;2&gt;" not in page
    assert "<td>3 rows</td>" in page
    assert "http" not in page, "a page of ours calls nobody"
