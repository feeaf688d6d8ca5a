"""Corrections: later facts about a record, which reach open periods and edit no delivered row."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from fieldscore.canonical import canonical_feeds
from fieldscore.settings import Settings
from nights import (
    Row,
    Site,
    at,
    declare,
    deliver,
    expense,
    marts,
    order,
    rows,
    run_night,
    survey,
    table,
)

FIRST, SECOND = date(2026, 1, 31), date(2026, 2, 2)
JANUARY = date(2026, 1, 1)


def finished(order_id: str, **other: str) -> Row:
    """A refrigerator T1 repaired on Monday the 5th."""
    job = {"appliance_category": "refrigerator", "arrived_at": at("05 14:00"), **other}
    return order(order_id, "05 09:00", "05 09:30", "05 15:00", **job)


# Dispatch did not know what was broken; it was written down when the work was done.
UNKNOWN = finished("UNKNOWN", customer_id="K-1")
NOT_YET = {"status": "in_progress", "completed_at": "", "resolution": "", "arrived_at": ""}

COMPANY = {
    "work_orders": [
        finished("FAULT"),
        order(
            "FAULT-2", "08 09:00", "08 09:30", "08 15:00", technician_id="T2",
            appliance_category="refrigerator", appliance_serial="A-FAULT", fault_code="WATER-01",
        ),
        {**UNKNOWN, **NOT_YET, "fault_code": "", "updated_at": at("05 09:30")},
        UNKNOWN,
        finished("HAND"),
        order("TIME", "05 09:00", "05 09:30", "06 10:00"),
        finished("RESOLUTION"),
        finished("RATING"),
        finished("AMOUNT"),
        finished("REVERSED"),
        finished("WAITING"),
        finished("TWICE"),
        finished("UNTOUCHED", customer_id="K-2"),
    ],
    "surveys": [
        survey(f"S-{order_id}", order_id, "05 16:00", "05 18:00", 2)
        for order_id in ("RATING", "REVERSED", "WAITING", "TWICE", "UNTOUCHED")
    ],
    "expenses": [
        expense("E-AMOUNT", 5, "90.00", order_id="AMOUNT"),
        expense("E-UNTOUCHED", 5, "20.00", order_id="UNTOUCHED"),
    ],
    "roster": [
        {"technician_id": "T1", "work_date": "2026-01-05", "available_minutes": 480},
        {"technician_id": "T1", "work_date": "2026-01-06", "available_minutes": 480},
    ],
}  # fmt: skip

# --- what is asked for, and what becomes of it ----------------------------------------------------

# Delivered with the first night, when the first of February has not come yet.
EARLY = """
id        feed     key         field   value  decision  decided
REVERSED  surveys  S-REVERSED  rating  5      upheld    01-28
WAITING   surveys  S-WAITING   rating  5      upheld    02-01
"""

# Delivered with the second night; `why` is what ops.corrections says of it then.
LATE = """
id          feed         key            field              value           decision  decided  why
FAULT       work_orders  FAULT-2        fault_code         COOL-05         upheld    01-28    -
UNKNOWN     work_orders  UNKNOWN        fault_code         COOL-01         upheld    01-28    -
HAND        work_orders  HAND           technician_id      T2              upheld    01-28    -
TIME        work_orders  TIME           completed_at       @06 08:00       upheld    01-28    -
RESOLUTION  work_orders  RESOLUTION     resolution         no_fault_found  upheld    01-28    -
RATING      surveys      S-RATING       rating             5               upheld    01-28    -
AMOUNT      expenses     E-AMOUNT       amount             30.00           upheld    01-28    -
ROSTER      roster       T1/2026-01-05  available_minutes  240             upheld    01-28    -
REVERSED    surveys      S-REVERSED     rating             5               rejected  01-30    rejected
TWICE-1     surveys      S-TWICE        rating             1               upheld    01-27    superseded
TWICE-2     surveys      S-TWICE        rating             4               upheld    01-28    -
REJECTED    work_orders  UNTOUCHED      technician_id      T2              rejected  01-28    rejected
UNDECIDED   work_orders  UNTOUCHED      technician_id      T2              -         -        undecided
UNDATED     work_orders  UNTOUCHED      technician_id      T2              upheld    -        undecided
TOMORROW    work_orders  UNTOUCHED      technician_id      T2              upheld    02-03    undecided
NO-FEED     tickets      UNTOUCHED      technician_id      T2              upheld    01-28    feed_unknown
NO-FIELD    work_orders  UNTOUCHED      colour             red             upheld    01-28    field_not_correctable
KEY         work_orders  UNTOUCHED      order_id           OTHER           upheld    01-28    field_not_correctable
VERSION     work_orders  UNTOUCHED      updated_at         @06 08:00       upheld    01-28    field_not_correctable
CUSTOMER    work_orders  UNTOUCHED      customer_id        K-1             upheld    01-28    field_not_correctable
COMMENT     surveys      S-UNTOUCHED    comment            good            upheld    01-28    field_not_correctable
ITSELF      corrections  RATING         new_value          1               upheld    01-28    field_not_correctable
NO-RECORD   work_orders  NOWHERE        technician_id      T2              upheld    01-28    record_unknown
NO-VALUE    work_orders  UNTOUCHED      fault_code         -               upheld    01-28    no_new_value
NO-TIME     work_orders  UNTOUCHED      completed_at       soon            upheld    01-28    value_not_accepted
NO-WORD     work_orders  UNTOUCHED      status             gone            upheld    01-28    value_not_accepted
NO-RATING   surveys      S-UNTOUCHED    rating             9               upheld    01-28    value_not_accepted
NO-AMOUNT   expenses     E-UNTOUCHED    amount             -5              upheld    01-28    value_not_accepted
NO-DAY      roster       T1/2026-01-06  available_minutes  2000            upheld    01-28    value_not_accepted
"""  # noqa: E501


def corrections(text: str) -> list[Row]:
    """The rows of a delivery; a moment is written @06 08:00, and all are decided at nine."""
    return [
        {
            "correction_id": row["id"],
            "target_feed": row["feed"],
            "target_key": row["key"],
            "field": row["field"],
            "new_value": at(row["value"][1:]) if (row["value"] or "")[:1] == "@" else row["value"],
            "decision": row["decision"],
            "decided_at": row["decided"] and f"2026-{row['decided']}T09:00:00+08:00",
        }
        for row in table(text)
    ]


# Whose a record was and what it brought after the first night, and after the second.
CHANGES = """
order       kpi                who_1  brings_1  reason_1        who_2  brings_2  reason_2
FAULT       first_time_fix     T1     1         -               T1     0         repeated
FAULT       workload_points    T1     1.4       -               T1     0         repeated
FAULT-2     workload_points    T2     1         -               T2     1.4       -
UNKNOWN     workload_points    T1     1         -               T1     1.4       -
HAND        on_time_24h        T1     1         -               T2     1         -
HAND        response_time      T1     30        -               T2     30        -
HAND        first_time_fix     T1     1         -               T2     1         -
HAND        jobs               T1     1         -               T2     1         -
TIME        on_time_24h        T1     0         completed_late  T1     1         -
TIME        mttr_mean          T1     1500      -               T1     1380      -
RESOLUTION  first_time_fix     T1     1         -               T1     -         nothing_to_fix
RESOLUTION  workload_points    T1     1.4       -               T1     0.6       -
RATING      csat_top2          T1     0         rated_2         T1     1         -
RATING      csat_mean          T1     2         -               T1     5         -
AMOUNT      travel_cost_index  T1     90        -               T1     30        -
REVERSED    csat_top2          T1     1         -               T1     0         rated_2
WAITING     csat_top2          T1     0         rated_2         T1     1         -
TWICE       csat_top2          T1     0         rated_2         T1     1         -
TWICE       csat_mean          T1     2         -               T1     4         -
UNTOUCHED   csat_top2          T1     0         rated_2         T1     0         rated_2
UNTOUCHED   travel_cost_index  T1     20        -               T1     20        -
"""
# Refrigerators: 1.4 points for the refrigerant circuit, 1 for any other fault, .6 for a diagnosis.

UNCORRECTED = [feed for feed in canonical_feeds() if feed != "corrections"]


def state(settings: Settings) -> SimpleNamespace:
    """What a night leaves: marts with their events by order and KPI, and the rooms before them."""
    found = SimpleNamespace(marts=marts(settings), events=defaultdict(list))
    for event in found.marts["fct_kpi_events"]:
        found.events[event["order_id"], event["kpi_code"]].append(event)
    found.raw = {
        feed: rows(settings, f"select * from raw.{feed} order by load_id, row_number")
        for feed in UNCORRECTED
    }
    found.versions = {
        feed: rows(
            settings,
            f"select {', '.join(canonical_feeds()[feed].key)}, version_no, is_current,"
            f" stored_load_id from staging.stg_{feed}_history"
            f" order by {', '.join(canonical_feeds()[feed].key)}, version_no",
        )
        for feed in UNCORRECTED
    }
    found.untouched = rows(
        settings, "select * from staging.stg_work_orders_history where order_id = 'UNTOUCHED'"
    )
    found.accounting = rows(
        settings, "select * from ops.accounting where feed <> 'corrections' order by load_id"
    )
    found.corrections = {
        row["correction_id"]: (row["is_applied"], row["reason_code"])
        for row in rows(settings, "select * from ops.corrections")
    }
    return found


@pytest.fixture(scope="module")
def company(site: Site) -> SimpleNamespace:
    """What the first night leaves, and what the second, which brings corrections alone."""
    settings = site.clear()
    declare(site, **dict.fromkeys([*COMPANY, "corrections"], "required: false\n"))
    for feed, records in {**COMPANY, "corrections": corrections(EARLY)}.items():
        deliver(settings, feed, FIRST, records)
    run_night(settings, FIRST)
    first = state(settings)
    deliver(settings, "corrections", SECOND, corrections(LATE))
    run_night(settings, SECOND)
    return SimpleNamespace(first=first, second=state(settings))


@pytest.mark.parametrize("row", table(CHANGES), ids=lambda row: f"{row['order']}-{row['kpi']}")
def test_an_upheld_correction_reaches_its_open_period_with_the_next_night(company, row) -> None:
    for n, night in enumerate((company.first, company.second), start=1):
        found = [
            (event["technician_id"], event["eligible"] and event["numerator"], event["reason_code"])
            for event in night.events[row["order"], row["kpi"]]
        ]
        brings = row[f"brings_{n}"]
        expected = (row[f"who_{n}"], brings is not None and Decimal(brings), row[f"reason_{n}"])
        assert found == [expected], f"night {n}"


def test_a_corrected_record_changes_the_sums_of_its_month(company) -> None:
    def january(night: SimpleNamespace, technician_id: str, kpi_code: str) -> tuple:
        [kpi] = [
            kpi
            for kpi in night.marts["fct_technician_kpis"]
            if (kpi["period_month"], kpi["technician_id"], kpi["kpi_code"])
            == (JANUARY, technician_id, kpi_code)
        ]
        return kpi["numerator"], kpi["n"]

    # REVERSED alone was a good answer; RATING, WAITING and TWICE are afterwards.
    assert january(company.first, "T1", "csat_top2") == (1, 5)
    assert january(company.second, "T1", "csat_top2") == (3, 5)
    assert january(company.first, "T2", "jobs") == (1, 1)
    assert january(company.second, "T2", "jobs") == (2, 2)


def test_a_day_of_the_roster_is_corrected_by_both_parts_of_its_key(company) -> None:
    def minutes(night: SimpleNamespace) -> list[Decimal]:
        days = sorted(night.events[None, "utilisation"], key=lambda day: day["record_key"])
        return [day["denominator"] for day in days]

    assert minutes(company.first) == [480, 480]
    assert minutes(company.second) == [240, 480]


def test_a_corrected_completion_is_no_reopening(company) -> None:
    [found] = [o for o in company.second.marts["fct_work_orders"] if o["order_id"] == "TIME"]
    assert found["first_completed_at"] == datetime(2026, 1, 6)  # eight in Shanghai
    assert found["final_completed_at"] == found["first_completed_at"]
    assert found["is_reopened"] is False


def test_every_correction_says_whether_it_stands_and_why_not(company) -> None:
    assert company.first.corrections == {"REVERSED": (True, None), "WAITING": (False, "undecided")}
    assert company.second.corrections == {
        "WAITING": (True, None),
        **{row["id"]: (row["why"] is None, row["why"]) for row in table(LATE)},
    }


def test_what_is_not_corrected_stays_as_it_was(company) -> None:
    corrected = {row["order"] for row in table(CHANGES)} - {"UNTOUCHED"}

    def others(night: SimpleNamespace) -> dict[tuple, list[Row]]:
        return {
            (order_id, kpi_code): events
            for (order_id, kpi_code), events in night.events.items()
            if order_id is not None and order_id not in corrected
        }

    assert {order_id for order_id, _ in others(company.first)} == {"UNTOUCHED"}
    assert len(others(company.first)) > 15
    assert others(company.second) == others(company.first)


def test_raw_rows_their_versions_and_their_accounting_stay_as_delivered(company) -> None:
    for feed in UNCORRECTED:
        assert len(company.first.raw[feed]) == len(COMPANY.get(feed, [])), feed
        assert company.second.raw[feed] == company.first.raw[feed], feed
        assert len(company.first.versions[feed]) == len(COMPANY.get(feed, [])), feed
        assert company.second.versions[feed] == company.first.versions[feed], feed
    assert sum(load["delivered"] for load in company.first.accounting) == sum(
        len(records) for records in COMPANY.values()
    )
    assert company.second.accounting == company.first.accounting


def test_a_personal_column_cannot_be_corrected(company) -> None:
    [before], [after] = company.first.untouched, company.second.untouched
    assert after == before
    # A keyed hash, not what the correction says in plain words.
    assert before["customer_id"] not in (None, "K-1", "K-2")
