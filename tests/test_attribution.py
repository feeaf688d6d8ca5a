"""Whose is it? Every record of a night belongs to whom the handbook says (sections 2.4 to 2.7)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import groupby
from types import SimpleNamespace

import pytest
from nights import (
    Row,
    Site,
    at,
    complaint,
    deliver,
    expense,
    marts,
    order,
    parts_line,
    pause,
    run_night,
    survey,
    table,
    visit,
)

# By then everything of January has matured.
NIGHT = date(2026, 2, 16)

Change = tuple[str, Row]


def history(first: Row, *changes: Change) -> list[Row]:
    """An order's versions: the first one, and what changed when."""
    versions = [first]
    for moment, change in changes:
        versions.append({**versions[-1], "updated_at": at(moment), **change})
    return versions


def to(technician_id: str, moment: str, **other: str) -> Change:
    """An order changes hands."""
    return moment, {"technician_id": technician_id, **other}


def done(moment: str) -> Change:
    """An order is completed by who holds it."""
    ended = {"status": "completed", "resolution": "fixed", "completed_at": at(moment)}
    return moment, ended


def taken(order_id: str, **other: str) -> Row:
    """An order reported on Monday the 5th at nine, given to T1, who took it half an hour later."""
    return order(order_id, "05 09:00", "05 09:30", **other)


def finished(order_id: str, **other: str) -> Row:
    """The same, done by T1 at three; who was there, its visits tell."""
    return order(order_id, "05 09:00", "05 09:30", "05 15:00", **other)


# --- orders that change hands ---------------------------------------------------------------------

NOBODY = {"technician_id": "", "assigned_at": "", "accepted_at": ""}

HANDED_OVER = [
    # Due on the 6th at nine; T2 gets it before that, after that, or after it was done.
    *history(taken("AFTER-DUE"), to("T2", "06 12:00"), done("06 15:00")),
    *history(taken("BEFORE-DUE"), to("T2", "05 20:00"), done("06 15:00")),
    *history(taken("AFTER-DONE"), done("05 15:00"), to("T2", "07 09:00")),
    # Waits a day for a part: still in time net when T2 gets it, too late by the wall clock before.
    *history(taken("NET-IN-TIME"), to("T2", "06 12:00"), done("06 20:00")),
    # T2 gets it from T1 and takes it; of the next one only what came after T2 took it is known.
    *history(
        taken("TAKEN-BY-T2", accepted_at="", updated_at=at("05 09:00")),
        to("T2", "05 10:00", accepted_at=at("05 10:00")),
        done("05 15:00"),
    ),
    *history(
        taken("TOLD-LATE", technician_id="T2", updated_at=at("05 12:00")),
        to("T1", "05 13:00"),
        done("05 15:00"),
    ),
    # Never anybody's; somebody's after a day and a half; done by nobody knows whom.
    taken("NOBODYS", **NOBODY, status="open", updated_at=at("05 09:00")),
    *history(
        taken("LONG-NOBODYS", **NOBODY, status="open", updated_at=at("05 09:00")),
        to("T1", "06 20:00", assigned_at=at("06 20:00"), accepted_at=at("06 20:00")),
        done("07 10:00"),
    ),
    finished("DONE-BY-NOBODY", **NOBODY),
]

OF_ORDERS_THAT_CHANGED_HANDS = """
order           kpi                whose  brings  reason
AFTER-DUE       on_time_24h        T1     0       completed_late
AFTER-DUE       on_time_24h_gross  T1     0       completed_late
AFTER-DUE       completion         T2     1       -
AFTER-DUE       response_time      T1     30      -
AFTER-DUE       first_time_fix     T2     1       -
AFTER-DUE       repeat_repair_7d   T2     0       -
AFTER-DUE       jobs               T2     1       -
BEFORE-DUE      on_time_24h        T2     0       completed_late
BEFORE-DUE      response_time      T1     30      -
AFTER-DONE      on_time_24h        T1     1       -
AFTER-DONE      completion         T2     1       -
AFTER-DONE      first_time_fix     T1     1       -
AFTER-DONE      csat_top2          T1     1       -
AFTER-DONE      workload_points    T1     1       -
AFTER-DONE      mttr_mean          T1     360     -
NET-IN-TIME     on_time_24h        T2     1       -
NET-IN-TIME     on_time_24h_gross  T1     0       completed_late
TAKEN-BY-T2     response_time      T2     60      -
TOLD-LATE       response_time      T2     30      -
TOLD-LATE       on_time_24h        T1     1       -
NOBODYS         on_time_24h        -      -       technician_unknown
NOBODYS         completion         -      -       technician_unknown
NOBODYS         response_time      -      -       technician_unknown
LONG-NOBODYS    on_time_24h        T1     1       -
LONG-NOBODYS    response_time      T1     0       -
DONE-BY-NOBODY  on_time_24h        -      -       technician_unknown
DONE-BY-NOBODY  first_time_fix     -      -       technician_unknown
DONE-BY-NOBODY  repeat_repair_7d   -      -       technician_unknown
DONE-BY-NOBODY  jobs               -      -       technician_unknown
DONE-BY-NOBODY  workload_points    -      -       technician_unknown
DONE-BY-NOBODY  parts_cost_index   -      -       technician_unknown
DONE-BY-NOBODY  csat_top2          -      -       technician_unknown
"""

# --- who was there --------------------------------------------------------------------------------


def assistant(visit_id: str, order_id: str, arrived: str, left: str, who: str) -> Row:
    """Somebody came along."""
    return visit(visit_id, order_id, arrived, left, technician_id=who, role="assistant")


def lead(visit_id: str, order_id: str, arrived: str, left: str, who: str, outcome: str) -> Row:
    """Somebody led a visit that ended so; where parts are needed the diagnosis is written down."""
    noted = {"diagnosis_recorded": "true"} if outcome == "parts_needed" else {}
    return visit(visit_id, order_id, arrived, left, outcome, technician_id=who, **noted)


SHARED = [finished(i) for i in ("THIRDS", "HALVES", "PRIMES", "ALONE", "HELPER")]
SHARED_VISITS = [
    visit("V01", "THIRDS", "05 14:00", "05 14:20"),
    assistant("V02", "THIRDS", "05 14:00", "05 14:20", "T2"),
    assistant("V03", "THIRDS", "05 14:00", "05 14:20", "T5"),
    visit("V04", "HALVES", "05 14:00", "05 14:30"),
    assistant("V05", "HALVES", "05 14:30", "05 15:00", "T2"),
    # 7, 11 and 13 minutes.
    lead("V06", "PRIMES", "05 14:00", "05 14:07", "T2", "fixed"),
    assistant("V07", "PRIMES", "05 14:00", "05 14:11", "T1"),
    assistant("V08", "PRIMES", "05 14:00", "05 14:13", "T5"),
    # Nobody knows how long he stayed, and nobody led.
    visit("V09", "ALONE", "05 14:00", "05 14:30", left_at=""),
    assistant("V10", "HELPER", "05 14:00", "05 15:00", "T2"),
]

OF_SHARED_ORDERS = """
order   kpi               whose  brings    reason
THIRDS  jobs              T1     0.333334  -
THIRDS  jobs              T2     0.333333  -
THIRDS  jobs              T5     0.333333  -
THIRDS  duration_index    T1     6.666680  -
THIRDS  duration_index    T2     6.666660  -
THIRDS  duration_index    T5     6.666660  -
THIRDS  parts_cost_index  T1     3.333340  -
THIRDS  parts_cost_index  T2     3.333330  -
THIRDS  parts_cost_index  T5     3.333330  -
THIRDS  first_time_fix    T1     1         -
THIRDS  csat_top2         T1     0         rated_2
HALVES  workload_points   T1     0.5       -
HALVES  workload_points   T2     0.5       -
HALVES  duration_index    T1     30        -
HALVES  duration_index    T2     30        -
PRIMES  jobs              T1     0.354839  -
PRIMES  jobs              T2     0.225806  -
PRIMES  jobs              T5     0.419355  -
PRIMES  repeat_repair_7d  T2     0         -
ALONE   jobs              T1     1         -
ALONE   duration_index    T1     -         duration_unknown
HELPER  jobs              T2     1         -
HELPER  first_time_fix    T1     1         -
"""
# PRIMES: 11/31 and 13/31, rounded to six decimals, and the rest to the lead.

# --- who is accountable, and whose a first-time fix is --------------------------------------------

VISITED = [
    finished(i)
    for i in (
        "FIXED-BEFORE-LAST", "FIXED-LAST", "NEVER-FIXED", "FIXED-AFTERWARDS", "NOBODY-HOME",
        "WANT-PAUSED", "WANT-LINE", "WANT-UNSHOWN", "WANT-UNWRITTEN", "WANT-TWICE", "HOME-LATER",
    )
]  # fmt: skip
VISITS = [
    lead("V11", "FIXED-BEFORE-LAST", "05 10:00", "05 11:00", "T2", "fixed"),
    lead("V12", "FIXED-BEFORE-LAST", "05 13:00", "05 14:00", "T3", "diagnosed"),
    lead("V13", "FIXED-LAST", "05 10:00", "05 11:00", "T2", "diagnosed"),
    lead("V14", "FIXED-LAST", "05 13:00", "05 14:00", "T3", "fixed"),
    lead("V15", "NEVER-FIXED", "05 10:00", "05 11:00", "T2", "diagnosed"),
    lead("V16", "NEVER-FIXED", "05 13:00", "05 14:00", "T3", "refused"),
    lead("V17", "FIXED-AFTERWARDS", "05 10:00", "05 11:00", "T2", "fixed"),
    lead("V18", "FIXED-AFTERWARDS", "07 10:00", "07 11:00", "T3", "fixed"),
    lead("V19", "NOBODY-HOME", "05 10:00", "05 10:05", "T2", "no_access"),
    lead("V20", "WANT-PAUSED", "05 10:00", "05 11:00", "T2", "parts_needed"),
    lead("V21", "WANT-PAUSED", "05 13:00", "05 14:00", "T3", "fixed"),
    lead("V22", "WANT-LINE", "05 10:00", "05 11:00", "T2", "parts_needed"),
    lead("V23", "WANT-LINE", "05 13:00", "05 14:00", "T3", "fixed"),
    lead("V24", "WANT-UNSHOWN", "05 10:00", "05 11:00", "T2", "parts_needed"),
    lead("V25", "WANT-UNSHOWN", "05 13:00", "05 14:00", "T3", "fixed"),
    visit(
        "V26", "WANT-UNWRITTEN", "05 10:00", "05 11:00", "parts_needed",
        technician_id="T2", diagnosis_recorded="false",
    ),
    lead("V27", "WANT-UNWRITTEN", "05 13:00", "05 14:00", "T3", "fixed"),
    lead("V28", "WANT-TWICE", "05 10:00", "05 11:00", "T2", "parts_needed"),
    lead("V29", "WANT-TWICE", "05 12:00", "05 12:30", "T1", "parts_needed"),
    lead("V30", "WANT-TWICE", "05 13:00", "05 14:00", "T3", "fixed"),
    lead("V31", "HOME-LATER", "05 10:00", "05 10:05", "T2", "no_access"),
    lead("V32", "HOME-LATER", "05 13:00", "05 14:00", "T3", "fixed"),
]  # fmt: skip

OF_VISITED_ORDERS = """
order              kpi                    whose  brings  reason
FIXED-BEFORE-LAST  repeat_repair_7d       T2     0       -
FIXED-LAST         repeat_repair_7d       T3     0       -
FIXED-LAST         repair_success         T3     1       -
FIXED-LAST         complaint_rate         T3     1       complained_of
FIXED-LAST         first_time_fix         T2     0       further_visit
FIXED-LAST         first_time_fix_strict  T2     0       further_visit
FIXED-LAST         on_time_24h            T1     1       -
FIXED-LAST         response_time          T1     30      -
NEVER-FIXED        repeat_repair_7d       T3     0       -
NEVER-FIXED        first_time_fix         T2     0       further_visit
FIXED-AFTERWARDS   repeat_repair_7d       T2     0       -
FIXED-AFTERWARDS   first_time_fix         T2     1       -
NOBODY-HOME        first_time_fix         T1     1       -
NOBODY-HOME        jobs                   T1     1       -
WANT-PAUSED        first_time_fix         T3     1       -
WANT-PAUSED        first_time_fix_strict  T3     0       further_visit
WANT-LINE          first_time_fix         T3     1       -
WANT-UNSHOWN       first_time_fix         T2     0       further_visit
WANT-UNWRITTEN     first_time_fix         T2     0       further_visit
WANT-TWICE         first_time_fix         T2     0       further_visit
HOME-LATER         first_time_fix         T3     1       -
HOME-LATER         first_time_fix_strict  T3     1       -
"""

# --- repeats and follow-ups -----------------------------------------------------------------------


def back(order_id: str, of: str, who: str, **other: str) -> Row:
    """Three days later the appliance of an order is reported again, and done by somebody."""
    again = {"technician_id": who, "appliance_serial": f"A-{of}", **other}
    return order(order_id, "08 09:00", "08 09:30", "08 15:00", **again)


FURTHER = [
    finished("WANTED"),
    back("WANTED-2", "WANTED", "T2", follow_up_of="WANTED"),
    finished("UNWANTED"),
    back("UNWANTED-2", "UNWANTED", "T2", follow_up_of="UNWANTED"),
    finished("BROKEN"),
    back("BROKEN-2", "BROKEN", "T1"),
    finished("SHARED-AGAIN"),
    back("SHARED-AGAIN-2", "SHARED-AGAIN", "T1"),
]
FURTHER_VISITS = [
    lead("V41", "WANTED", "05 14:00", "05 15:00", "T1", "parts_needed"),
    lead("V42", "WANTED-2", "08 14:00", "08 15:00", "T2", "fixed"),
    # Nothing was missing: that it is called a follow-up makes it none.
    lead("V43", "UNWANTED", "05 14:00", "05 15:00", "T1", "fixed"),
    lead("V44", "UNWANTED-2", "08 14:00", "08 15:00", "T2", "fixed"),
    visit("V45", "SHARED-AGAIN-2", "08 14:00", "08 14:30"),
    assistant("V46", "SHARED-AGAIN-2", "08 14:00", "08 14:30", "T5"),
]

OF_REPEATS_AND_FOLLOW_UPS = """
order           kpi                    whose  brings  reason
WANTED          first_time_fix         T1     1       -
WANTED          first_time_fix_strict  T1     0       further_visit
WANTED          repeat_repair_7d       T1     0       -
WANTED          workload_points        T1     1       -
WANTED-2        first_time_fix         T2     -       follow_up_visit
WANTED-2        repeat_repair_7d       T2     -       follow_up_visit
WANTED-2        repair_success         T2     -       follow_up_visit
WANTED-2        on_time_24h            T2     1       -
WANTED-2        workload_points        T2     1       -
UNWANTED        first_time_fix         T1     0       repeated
UNWANTED        repeat_repair_7d       T1     1       repeated
UNWANTED        workload_points        T1     0       repeated
UNWANTED-2      first_time_fix         T2     1       -
UNWANTED-2      workload_points        T2     1       -
BROKEN          workload_points        T1     0       repeated
BROKEN-2        workload_points        T1     0       own_repeat
SHARED-AGAIN-2  workload_points        T1     0       own_repeat
SHARED-AGAIN-2  workload_points        T5     0.5     -
"""

# --- travel, and people who move and leave --------------------------------------------------------

OF_TRAVEL = """
order        kpi                whose  brings    reason
AFTER-DUE    travel_cost_index  T1     12        -
AFTER-DUE    travel_cost_index  T3     20        -
AFTER-DONE   travel_cost_index  T1     -         no_claim
THIRDS       travel_cost_index  T5     5         -
PRIMES       travel_cost_index  T5     5         -
TRIP         travel_cost_index  T2     3.333334  -
UNWANTED-2   travel_cost_index  T2     3.333333  -
WANTED-2     travel_cost_index  T2     3.333333  -
"""
# T5 came along to two orders on the 5th and claims one way, T2 went to three on the 8th.

MOVES = [
    order("MOVED-1", "12 09:00", "12 09:30", "12 15:00", technician_id="T3", area_id="N"),
    order("MOVED-2", "19 09:00", "19 09:30", "19 15:00", technician_id="T3", area_id="R"),
    order("LEFT", "19 09:00", "19 09:30", "19 15:00", technician_id="T4"),
    order("LEFT-2", "22 09:00", "22 09:30", "22 15:00", appliance_serial="A-LEFT"),
    order("TRIP", "08 09:00", "08 09:30", "08 15:00", technician_id="T2"),
]

OF_PEOPLE_WHO_LEFT = """
order   kpi             whose  brings  reason
LEFT    first_time_fix  T4     0       repeated
LEFT    csat_top2       T4     0       rated_2
LEFT-2  first_time_fix  T1     1       -
"""


def technician(technician_id: str, name: str, since: str, **other: str) -> Row:
    return {"technician_id": technician_id, "name": name, "updated_at": at(since), **other}


NORTH = {"area_id": "N", "team_id": "A", "grade": "junior"}
RIVER = {"area_id": "R", "team_id": "B", "grade": "senior"}
PEOPLE = [
    technician("T1", "王伟", "01 00:00", area_id="N"),
    technician("T2", "张敏", "01 00:00", area_id="N"),
    technician("T3", "李娜", "01 00:00", **NORTH),
    technician("T3", "李娜娜", "15 10:00", **RIVER),
    technician("T4", "刘洋", "01 00:00", area_id="N", hired_on="2026-01-05"),
    technician(
        "T4", "刘洋", "19 18:00", area_id="N", hired_on="2026-01-05", left_on="2026-01-20"
    ),
]  # fmt: skip

FEEDS = {
    "work_orders": [*HANDED_OVER, *SHARED, *VISITED, *FURTHER, *MOVES],
    "surveys": [
        survey("S1", "AFTER-DONE", "05 16:00", "08 18:00", 5),
        survey("S2", "THIRDS", "05 16:00", "05 18:00", 2),
        survey("S3", "DONE-BY-NOBODY", "05 16:00", "05 18:00", 5),
        survey("S4", "LEFT", "19 16:00", "23 18:00", 2),
    ],
    "expenses": [
        expense("E1", 6, "12.00", order_id="AFTER-DUE"),
        expense("E2", 6, "20.00", order_id="AFTER-DUE", technician_id="T3"),
        expense("E3", 5, "10.00", trip_id="TR1", technician_id="T5"),
        expense("E4", 8, "10.00", trip_id="TR2", technician_id="T2"),
        expense("E5", 12, "15.00", order_id="MOVED-1", technician_id="T3"),
        expense("E6", 19, "15.00", order_id="MOVED-2", technician_id="T3"),
    ],
    "visits": [*SHARED_VISITS, *VISITS, *FURTHER_VISITS],
    "pauses": [
        pause("W1", "NET-IN-TIME", "05 10:00", "06 10:00", "parts"),
        pause("W2", "WANT-PAUSED", "05 11:00", "05 13:00", "parts"),
        pause("W3", "WANT-TWICE", "05 11:00", "05 12:00", "parts"),
        pause("W4", "WANTED", "05 15:00", "08 09:00", "parts"),
    ],
    "complaints": [complaint("C1", "FIXED-LAST", "06 10:00")],
    "parts": [
        parts_line("P1", "THIRDS", 1, "10.00"),
        parts_line("P2", "WANT-LINE", 1, "10.00", technician_id="T3"),
    ],
    "technicians": PEOPLE,
    "areas": [
        {"area_id": "N", "name": "North", "time_zone": "Asia/Shanghai", "calendar_id": "standard"},
        {"area_id": "R", "name": "River", "time_zone": "Asia/Shanghai", "calendar_id": "retail"},
    ],
}


@pytest.fixture(scope="module")
def company(site: Site) -> SimpleNamespace:
    """The marts of the company's night, and its events by order and KPI."""
    settings = site.clear()
    for feed, records in FEEDS.items():
        deliver(settings, feed, NIGHT, records)
    run_night(settings, NIGHT)
    found = marts(settings)
    events = defaultdict(list)
    for event in found["fct_kpi_events"]:
        events[event["order_id"], event["kpi_code"]].append(event)
    return SimpleNamespace(marts=found, events=events)


RECORDS = [
    pytest.param(order_id, kpi_code, list(owners), id=f"{order_id}-{kpi_code}")
    for text in (
        OF_ORDERS_THAT_CHANGED_HANDS,
        OF_SHARED_ORDERS,
        OF_VISITED_ORDERS,
        OF_REPEATS_AND_FOLLOW_UPS,
        OF_TRAVEL,
        OF_PEOPLE_WHO_LEFT,
    )
    for (order_id, kpi_code), owners in groupby(
        table(text), key=lambda row: (row["order"], row["kpi"])
    )
]


@pytest.mark.parametrize(("order_id", "kpi_code", "owners"), RECORDS)
def test_a_record_belongs_to_whom_the_handbook_says(company, order_id, kpi_code, owners) -> None:
    found = {
        event["technician_id"]: (
            event["numerator"] if event["eligible"] else None,
            event["reason_code"],
        )
        for event in company.events[order_id, kpi_code]
    }
    assert found == {
        row["whose"]: (row["brings"] and Decimal(row["brings"]), row["reason"]) for row in owners
    }


def test_the_shares_of_every_order_done_add_up_to_exactly_one(company) -> None:
    shares = defaultdict(list)
    for (order_id, kpi_code), events in company.events.items():
        if kpi_code == "jobs":
            shares[order_id] = [event["numerator"] for event in events]
    done_ = {o["order_id"] for o in company.marts["fct_work_orders"] if o["is_completed"]}
    assert set(shares) == done_
    assert {order_id: sum(parts) for order_id, parts in shares.items()} == dict.fromkeys(done_, 1)
    assert sorted(len(parts) for parts in shares.values())[-2:] == [3, 3]


def test_what_nobody_held_is_in_nobodys_sums_and_yet_to_be_seen(company) -> None:
    orders = ("NOBODYS", "DONE-BY-NOBODY")
    events = [e for e in company.marts["fct_kpi_events"] if e["order_id"] in orders]
    judged = [e for e in events if e["mature"] and e["kpi_code"] != "travel_cost_index"]
    assert {(e["eligible"], e["technician_id"]) for e in events if e["mature"]} == {(False, None)}
    assert {e["reason_code"] for e in judged} == {"technician_unknown", "acceptance_unknown"}
    assert {e["order_id"] for e in judged} == set(orders)
    assert all(day["technician_id"] for day in company.marts["fct_kpi_days"])


# --- people who move, are renamed and leave -------------------------------------------------------


def days(company, technician_id: str, kpi_code: str = "workload_points") -> dict[date, Decimal]:
    """What each day a technician was there to work asks of him."""
    found = {
        event["business_date"]: event["denominator"]
        for event in company.marts["fct_kpi_events"]
        if (event["feed"], event["technician_id"]) == ("roster", technician_id)
        and event["kpi_code"] == kpi_code
    }
    assert found
    return found


def test_a_new_grade_asks_more_from_the_day_it_holds_and_not_before(company) -> None:
    # 34 points a month of a junior and 42 of a senior, by 21.75 days.
    asked = days(company, "T3")
    assert asked[date(2026, 1, 14)] == Decimal("1.563218")
    assert asked[date(2026, 1, 15)] == Decimal("1.931034")


def test_a_new_areas_calendar_holds_from_the_day_he_moves_and_not_before(company) -> None:
    # North rests on Sundays, River does not.
    sundays = [date(2026, 1, day) for day in (4, 11, 18, 25)]
    for kpi_code in ("workload_points", "utilisation"):
        found = days(company, "T3", kpi_code)
        assert [day in found for day in sundays] == [False, False, True, True]
        assert not set(sundays) & set(days(company, "T1", kpi_code))


def test_the_days_of_who_came_and_left_are_those_between(company) -> None:
    month = [date(2026, 1, day) for day in range(5, 21)]
    assert sorted(days(company, "T4")) == [day for day in month if day.isoweekday() != 7]


def test_who_is_renamed_is_the_same_person_under_today_s_name(company) -> None:
    [found] = [t for t in company.marts["dim_technicians"] if t["technician_id"] == "T3"]
    assert (found["name"], found["area_id"], found["team_id"], found["grade"]) == (
        "李娜娜", "R", "B", "senior",
    )  # fmt: skip
    named = [r for name, r in company.marts.items() if name != "dim_technicians" for r in r]
    assert not any(value in ("李娜", "李娜娜") for row in named for value in row.values())


def test_orders_stay_in_the_area_they_were_done_in(company) -> None:
    areas = {o["order_id"]: o["area_id"] for o in company.marts["fct_work_orders"]}
    assert (areas["MOVED-1"], areas["MOVED-2"], areas["LEFT"]) == ("N", "R", "none")
    for order_id in ("MOVED-1", "MOVED-2"):
        [event] = company.events[order_id, "travel_cost_index"]
        assert (event["technician_id"], event["stratum"]) == ("T3", areas[order_id])


def test_who_left_keeps_his_month(company) -> None:
    kpis = {
        k["kpi_code"]: k
        for k in company.marts["fct_technician_kpis"]
        if (k["technician_id"], k["period_month"]) == ("T4", date(2026, 1, 1))
    }
    assert (kpis["jobs"]["numerator"], kpis["first_time_fix"]["n"]) == (1, 1)
    # 14 days at 40 points of 21.75: somebody without a grade.
    assert kpis["workload_points"]["denominator"] == 14 * Decimal("1.839080")
    assert not any(
        k["period_month"] > date(2026, 1, 1)
        for k in company.marts["fct_technician_kpis"]
        if k["technician_id"] == "T4"
    )
