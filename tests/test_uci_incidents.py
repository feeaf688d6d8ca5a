"""A year of other people's incidents, by a declaration alone: examples/uci_incidents.

The first thirty nights one by one, the rest as one late delivery. Skipped where the log is not
beside the checkout; ``pytest -rP`` shows how long the nights took.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from conftest import SCRATCH
from fieldscore import local_postgres, warehouse
from fieldscore.business_dates import between
from fieldscore.settings import PROJECT, Settings

LOG = PROJECT.parent / "shared" / "data" / "uci_incident_event_log.csv.gz"
EXAMPLE = PROJECT / "examples" / "uci_incidents"

FIRST_NIGHT, THIRTIETH_NIGHT = date(2016, 2, 29), date(2016, 3, 29)
LAST_NIGHT = date(2017, 2, 18)

pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the UCI incident log is not at {LOG}")

ORDERS = """
    select order_id, technician_id, status, reported_at, final_completed_at
    from marts.fct_work_orders
"""
STATES = {"New": "open", "Resolved": "completed", "Closed": "completed"}  # all others: in_progress


@dataclass(frozen=True)
class Year:
    """What came of the nights. thirty: ORDERS as published by the thirtieth; seconds: per night."""

    settings: Settings
    thirty: list[tuple]
    seconds: list[int]

    def ask(self, query: str) -> list[tuple]:
        with warehouse.connect(self.settings) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    """The whole log published by the commands of the example's README, in a home of its own."""
    settings = Settings(
        home=SCRATCH / "uci" / "home",
        landing=str(SCRATCH / "uci" / "landing"),
        feeds=EXAMPLE / "feeds",
        time_zone="UTC",
        database_url=None,
    )
    _cut(Path(settings.landing), THIRTIETH_NIGHT)
    try:
        said = _fieldscore(settings, "backfill", FIRST_NIGHT, THIRTIETH_NIGHT)
        with warehouse.connect(settings) as connection:
            thirty = connection.execute(ORDERS).fetchall()
        said += _fieldscore(settings, "night", LAST_NIGHT)
        seconds = [
            int(timedelta(hours=int(h), minutes=int(m), seconds=int(s)).total_seconds())
            for h, m, s in re.findall(r"took (\d+):(\d+):(\d+)", said)
        ]
        yield Year(settings, thirty, seconds)
    finally:
        local_postgres.stop(settings)


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    """The log's events, but for those whose state nobody explains, in the order of changes."""
    events = pl.read_csv(LOG, infer_schema=False, null_values="?")
    assert events.height == 141_712
    moments = ("opened_at", "resolved_at", "sys_updated_at")
    return (
        events.filter(pl.col("incident_state") != "-100")
        .with_columns(pl.col(name).str.to_datetime("%d/%m/%Y %H:%M") for name in moments)
        .sort(pl.col("sys_mod_count").cast(int), maintain_order=True)
    )


def _cut(landing: Path, *last_day: date) -> None:
    command = [sys.executable, EXAMPLE / "cut.py", LOG, landing, *last_day]
    subprocess.run([str(part) for part in command], check=True)


def _fieldscore(settings: Settings, *command: object) -> str:
    """Run a command of this home and return what it says."""
    places = {
        "FIELDSCORE_HOME": str(settings.home),
        "FIELDSCORE_LANDING": settings.landing,
        "FIELDSCORE_FEEDS": str(settings.feeds),
        "FIELDSCORE_TIME_ZONE": settings.time_zone,
    }
    done = subprocess.run(
        [sys.executable, "-m", "fieldscore", *map(str, command)],
        env=os.environ | places,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _orders(log: pl.DataFrame, night: date) -> set[tuple]:
    """What ORDERS is to give as of the end of a night, by the log alone."""
    as_of = datetime.combine(night + timedelta(days=1), time())
    newest = log.filter(pl.col("sys_updated_at") < as_of).group_by("number").last()
    status = pl.col("incident_state").replace_strict(STATES, default="in_progress")
    # The log knows from an incident's first event on when it was resolved in the end.
    done = (status == "completed") & (pl.col("resolved_at") <= as_of)
    return set(
        newest.select(
            "number", "resolved_by", status, "opened_at", pl.when(done).then("resolved_at")
        ).iter_rows()
    )


def test_thirty_nights_and_a_late_delivery_are_published_one_after_the_other(year):
    print(
        f"seconds per night: first {year.seconds[0]}, then min {min(year.seconds[1:-1])},"
        f" median {median(year.seconds[1:-1])}, max {max(year.seconds[1:-1])};"
        f" late delivery {year.seconds[-1]}"
    )
    nights = [*between(FIRST_NIGHT, THIRTIETH_NIGHT), LAST_NIGHT]
    assert len(nights) == len(year.seconds) == 31
    runs = year.ask("select run_id, business_date, status from ops.runs order by published_at")
    assert runs == [(number, night, "published") for number, night in enumerate(nights, 1)]
    assert year.ask("select run_id, business_date from marts.publication") == [(31, LAST_NIGHT)]


def test_the_thirtieth_night_shows_every_order_as_the_log_had_it_then(year, log):
    assert len(year.thirty) == 8465
    assert set(year.thirty) ^ _orders(log, THIRTIETH_NIGHT) == set()


def test_the_last_night_shows_every_order_as_the_log_ends(year, log):
    assert set(year.ask(ORDERS)) ^ _orders(log, LAST_NIGHT) == set()


def test_the_published_figures_are_those_published_by_others(year):
    [figures] = year.ask(
        """
        select
            count(*),
            count(*) filter (where final_completed_at is null),
            percentile_cont(0.5) within group (order by hours),
            round(avg(hours), 2),
            round(max(hours), 2),
            round(100.0 * count(*) filter (where hours <= 24) / count(hours), 2)
        from (
            select
                final_completed_at,
                extract(epoch from final_completed_at - reported_at) / 3600 as hours
            from marts.fct_work_orders
        ) as orders
        """
    )
    assert [float(figure) for figure in figures] == [24_918, 1_556, 22.1, 178.17, 8_070.17, 51.67]
    assert year.ask("select count(*) from marts.dim_technicians") == [(216,)]


def test_no_reopening_moved_a_first_completion(year):
    """So first and final completion give the same figures here; what differs is who is judged."""
    differ = "first_completed_at is distinct from final_completed_at"
    assert year.ask(f"select count(*) from marts.fct_work_orders where {differ}") == [(0,)]
    # 12,072 of 23,362 within 24 h; 26 of them all, 23 of those in time, name no technician.
    assert year.ask(
        "select reason_code, count(*), sum(numerator) from marts.fct_kpi_events"
        " where kpi_code = 'on_time_24h' group by reason_code order by reason_code"
    ) == [
        ("completed_late", 11_287, 0),
        ("completion_time_unknown", 1_556, 0),
        ("technician_unknown", 26, 23),
        (None, 12_049, 12_049),
    ]


def test_columns_declared_harmless_wait_in_raw(year):
    [(orders, late, reopened)] = year.ask(
        """
        select
            count(*),
            count(*) filter (where extra ->> 'made_sla' = 'false'),
            count(*) filter (where cast(extra ->> 'reopen_count' as integer) > 0)
        from (
            select distinct on (order_id) extra
            from raw.work_orders
            order by order_id, cast(version as integer) desc, load_id desc, row_number desc
        ) as newest
        """
    )
    assert (orders, late, reopened) == (24_918, 9_115, 275)
    assert round(100 * late / orders, 2) == 36.58
    assert round(100 * reopened / orders, 2) == 1.10


def test_orders_reopened_by_our_rule_are_those_the_log_counts_but_for_two_of_its_slips(year, log):
    reopened = year.ask("select order_id from marts.fct_work_orders where is_reopened")
    ours = {order for (order,) in reopened}
    theirs = set(log.filter(pl.col("reopen_count").cast(int) > 0)["number"])
    assert len(ours) == len(theirs) == 275
    # Its first change bears the number of its last one, after it had been resolved.
    assert ours - theirs == {"INC0000135"}
    # It has no resolved_at: whatever was undone has no moment.
    assert theirs - ours == {"INC0011848"}


def test_kpis_without_their_feed_are_unavailable_and_nowhere_zero(year):
    rows = year.ask(
        "select kpi_code, available, badge, numerator, denominator, raw_value, adjusted_value,"
        " points, contribution, effective_weight, n, count(*) from marts.fct_technician_kpis"
        " where kpi_code in ('csat_top2', 'travel_cost_index')"
        " group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 order by 1"
    )
    [(technician_months,)] = year.ask("select count(*) from marts.fct_technician_scores")
    assert technician_months > 216
    nothing = (False, "unavailable", *[None] * 7, 0, technician_months)
    assert rows == [("csat_top2", *nothing), ("travel_cost_index", *nothing)]
    unmeasured = "kpi_code in ('csat_top2', 'travel_cost_index')"
    assert year.ask(f"select count(*) from marts.fct_kpi_days where {unmeasured} and n > 0") == [
        (0,)
    ]


def test_nobody_is_scored_on_so_little(year):
    assert year.ask(
        "select distinct status, score, quality_score, cost_score, balance, rank_low"
        " from marts.fct_technician_scores"
    ) == [("insufficient_data", None, None, None, None, None)]
    assert year.ask("select count(*) from marts.fct_score_lines") == [(0,)]


def test_every_row_is_accounted_for_and_what_is_rejected_is_listed(year):
    assert year.ask(
        "select count(*), sum(delivered), sum(current_rows), sum(superseded), sum(unchanged),"
        " sum(rejected) from ops.accounting"
    ) == [(31, 141_712, 24_918, 116_789, 0, 5)]
    assert year.ask(
        "select count(*) from ops.accounting"
        " where delivered <> current_rows + superseded + unchanged + rejected"
    ) == [(0,)]
    rejects = year.ask(
        "select row ->> 'order_id', row ->> 'version', row ->> 'status', column_name, reason"
        " from ops.rejects order by row_number"
    )
    assert rejects == [
        (order, version, "-100", "status", "unknown word")
        for order, versions in (("INC0028089", "1 2"), ("INC0030413", "20 14 15"))
        for version in versions.split()
    ]


def test_a_rebuild_gives_what_the_nights_gave(year):
    """Row by row and column by column, but for what tells one run from another."""
    assert year.ask("select run_id, rebuilt_because from ops.runs where rebuilt_because <> ''") == [
        (1, "nothing is published yet")
    ]
    with warehouse.connect(year.settings) as connection:
        marts = [
            name
            for (name,) in connection.execute(
                "select tablename from pg_tables where schemaname = 'marts'"
                " and tablename <> 'publication'"
            )
        ]
        connection.execute("create schema nights")
        for mart in marts:
            connection.execute(f"create table nights.{mart} as select * from marts.{mart}")
    _fieldscore(year.settings, "rebuild", LAST_NIGHT)
    assert len(marts) > 10
    for mart in marts:
        ours, theirs = f"select * from nights.{mart}", f"select * from marts.{mart}"
        assert year.ask(f"({ours} except {theirs}) limit 3") == [], mart
        assert year.ask(f"({theirs} except {ours}) limit 3") == [], mart


def test_a_cut_by_day_keeps_every_line_and_leaves_no_day_out(tmp_path):
    _cut(tmp_path)
    files = sorted(tmp_path.glob("work_orders/*/*"))
    assert [file.parent.name for file in files] == [
        str(day) for day in between(FIRST_NIGHT, LAST_NIGHT)
    ]
    with gzip.open(LOG, "rt", encoding="utf-8", newline="") as text:
        header, *lines = text
    cut = [file.read_text(encoding="utf-8").splitlines(keepends=True) for file in files]
    assert {first for first, *_ in cut} == {header}
    assert sum(len(changes) == 1 for changes in cut) == 6
    assert sorted(line for _, *changes in cut for line in changes) == sorted(lines)
    with pytest.raises(subprocess.CalledProcessError):
        _cut(tmp_path)
