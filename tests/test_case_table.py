"""The handbook's case table (section 2), row by row and column by column, in one whole night."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from fieldscore.canonical import canonical_feeds
from fieldscore.settings import PROJECT
from nights import (
    CORE,
    TINY,
    Row,
    Site,
    at,
    complaint,
    deliver,
    expense,
    inspection,
    marts,
    order,
    parts_line,
    pause,
    run_night,
    survey,
    table,
    visit,
)

# The handbook's table. A dash: not eligible, with a reason.
CASES = """
case                         volume     on_time  completion     response  first_time_fix         repeat  duration   survey  complaint  inspection  parts  travel
cancelled_before_excused     -          -        -              yes       -                      -       -          -       yes        -           -      -
cancelled_before_technician  -          -        not completed  yes       -                      -       -          -       yes        -           -      -
cancelled_after_excused      0.3        -        -              yes       -                      -       -          -       yes        -           -      yes
cancelled_after_technician   -          breach   not completed  yes       -                      -       -          -       yes        -           yes    yes
duplicate_or_test            -          -        -              -         -                      -       -          -       -          -           -      -
no_fault_or_education        diagnosis  yes      yes            yes       fails if repeated      yes     diagnosis  yes     yes        yes         yes    yes
irreparable_or_refused       diagnosis  yes      yes            yes       -                      -       diagnosis  yes     yes        yes         yes    yes
install_maintain_and_so_on   own        yes      yes            yes       -                      yes     own        yes     yes        yes         yes    yes
remote_fix                   yes        yes      yes            yes       fixed if not repeated  yes     -          yes     yes        yes         0      0
without_resolution           yes        yes      yes            yes       -                      -       yes        yes     yes        yes         yes    yes
"""  # noqa: E501

# The KPIs of a column; beside the one with a weight those that judge the same.
COLUMNS = {
    "volume": ["workload_points"],
    "on_time": ["on_time_24h", "on_time_24h_gross"],
    "completion": ["completion"],
    "response": ["response_time"],
    "first_time_fix": ["first_time_fix", "first_time_fix_strict"],
    "repeat": ["repeat_repair_7d", "repeat_repair_30d"],
    "duration": ["duration_index", "utilisation"],
    "survey": ["csat_top2", "csat_mean", "nps", "survey_response_rate", "survey_sent_in_24h"],
    "complaint": ["complaint_rate", "complaint_handling", "minor_faults"],
    "inspection": ["inspection"],
    "parts": ["parts_cost_index", "parts_return_rate"],
    "travel": ["travel_cost_index"],
}

# By then everything of 5 January has matured, the 30 days of a late repeat too.
NIGHT = date(2026, 2, 16)


# --- one order per case and variant --------------------------------------------------------------
# All are reported on Monday the 5th at nine, accepted half an hour later and, where somebody comes,
# reached at two and done at three, in a slot the customer asked for.


def cancelled(order_id: str, cause: str, **other: str) -> Row:
    """An order cancelled at noon."""
    ended = {"status": "cancelled", "cancelled_at": at("05 12:00"), "cancel_cause": cause}
    return _order(order_id, None, **{**ended, "updated_at": at("05 12:00"), **other})


def done(order_id: str, resolution: str = "fixed", **other: str) -> Row:
    """An order done at three."""
    came = {"arrived_at": at("05 14:00"), "resolution": resolution}
    return _order(order_id, "05 15:00", **{**came, **other})


def _order(order_id: str, completed: str | None, **other: str) -> Row:
    slot = {
        "slot_start": at("05 13:00"),
        "slot_end": at("05 16:00"),
        "slot_requested_by": "customer",
    }
    return order(order_id, "05 09:00", "05 09:30", completed, **{**slot, **other})


def again(order_id: str) -> Row:
    """Three days later the appliance of an order is broken again."""
    appliance = {"appliance_serial": f"A-{order_id}"}
    return order(f"{order_id}-2", "08 09:00", "08 09:30", "08 15:00", **appliance)


VARIANTS = {
    "cancelled_before_excused": [
        cancelled("BEFORE-CUSTOMER", "customer"),
        cancelled("BEFORE-COMPANY", "company"),
    ],
    "cancelled_before_technician": [cancelled("BEFORE-TECHNICIAN", "technician")],
    "cancelled_after_excused": [
        # That he had set out is told by a visit here and by the order there.
        cancelled("AFTER-CUSTOMER", "customer"),
        cancelled("AFTER-COMPANY", "company", arrived_at=at("05 11:00")),
    ],
    "cancelled_after_technician": [
        cancelled("AFTER-TECHNICIAN", "technician", arrived_at=at("05 11:00"))
    ],
    "duplicate_or_test": [
        cancelled("DUPLICATE", "duplicate"),
        cancelled("TEST", "test", arrived_at=at("05 11:00")),
    ],
    "no_fault_or_education": [
        done("NO-FAULT", "no_fault_found"),
        done("NO-FAULT-AGAIN", "no_fault_found"),
        done("EDUCATION", "user_education"),
        done("EDUCATION-AGAIN", "user_education"),
    ],
    "irreparable_or_refused": [
        done("IRREPARABLE", "irreparable"),
        done("QUOTE-REFUSED", "quote_refused"),
    ],
    "install_maintain_and_so_on": [
        done("INSTALL", service_type="install"),
        done("MAINTAIN", service_type="maintain"),
        done("INSPECT", service_type="inspect"),
        done("RECALL", service_type="recall"),
        done("RECALL-AGAIN", service_type="recall"),
    ],
    "remote_fix": [
        done("REMOTE", "remote_fix", arrived_at=""),
        done("REMOTE-AGAIN", "remote_fix", arrived_at=""),
    ],
    "without_resolution": [done("NO-WORD", ""), done("NO-WORD-AGAIN", "")],
}
ORDERS = [variant for variants in VARIANTS.values() for variant in variants]
IDS = [variant["order_id"] for variant in ORDERS]
AGAIN = [again(order_id) for order_id in IDS if order_id.endswith("-AGAIN")]
ASKED = [*IDS, "NO-CAUSE"]
FAR = [order_id for order_id in IDS if order_id.startswith("REMOTE")]

# Every order is asked about, complained of and inspected, took a part and, unless it was done from
# afar, cost a way.
BESIDE = {
    "surveys": [survey(f"S-{i}", i, "05 16:00", "05 18:00", 5, recommend=9) for i in ASKED],
    "complaints": [
        complaint(
            f"C-{i}", i, "06 10:00",
            responded_at=at("06 11:00"), resolved_at=at("07 10:00"), final_rating="2",
        )
        for i in ASKED
    ],
    "inspections": [inspection(f"I-{i}", i, "07 10:00", 8, of=10) for i in ASKED],
    "parts": [
        parts_line(f"P-{i}", i, int(i not in FAR), "20.00", quantity_taken=2, quantity_returned=1)
        for i in ASKED
    ],
    "expenses": [expense(f"E-{i}", 5, "33.00", order_id=i) for i in ASKED if i not in FAR],
    "visits": [
        visit(
            "V-1", "AFTER-CUSTOMER", "05 11:30", "05 12:00", "no_access", arrived_at="", left_at=""
        )
    ],
}  # fmt: skip


# --- reopened, cancelled late, and slots ---------------------------------------------------------


def reopened(order_id: str, on: str) -> list[Row]:
    """An order with no fault to find, taken up again on a later day of January and done again."""
    first = done(order_id, "no_fault_found")
    open_again = {**first, "status": "in_progress", "completed_at": "", "updated_at": at(on)}
    second = {**first, "completed_at": at(on), "updated_at": at(on).replace(":00:00", ":30:00")}
    return [first, open_again, second]


def slots(order_id: str, completed: str, *asked: str) -> list[Row]:
    """An order whose slot was set again and again: who asked, and when the slot ends."""
    found = []
    for hour, (who, slot_end) in enumerate((word.split(" ", 1) for word in asked), start=10):
        slot = {"slot_requested_by": who, "slot_end": at(slot_end), "slot_start": at("05 09:00")}
        moment = at(f"05 {hour}:00")
        found.append(order(order_id, "05 09:00", "05 09:30", updated_at=moment, **slot))
    done_by = {"status": "completed", "resolution": "fixed", "completed_at": at(completed)}
    return [*found, {**found[-1], **done_by, "updated_at": at(completed)}]


SLOTS = """
order           due       on_time
SLOT-LATER      07 12:00  yes
SLOT-MISSED     07 12:00  no
SLOT-EARLY      06 09:00  yes
SLOT-COMPANYS   06 09:00  no
SLOT-MOVED      07 12:00  no
SLOT-AGAIN      07 12:00  no
SLOT-LATE-WISH  08 12:00  yes
SLOT-PAUSED     08 09:00  yes
SLOT-FAR        20 12:00  yes
"""
# PAUSED waits for two days, from the first hour on: 24 hours net end after the slot.

LATE = [
    *reopened("REOPENED-EARLY", "08 09:00"),
    *reopened("REOPENED-LATE", "14 09:00"),
    *slots("SLOT-LATER", "07 11:30", "customer 07 12:00"),
    *slots("SLOT-MISSED", "07 13:00", "customer 07 12:00"),
    *slots("SLOT-EARLY", "05 15:00", "customer 05 16:00"),
    *slots("SLOT-COMPANYS", "07 11:30", "company 07 12:00"),
    *slots("SLOT-MOVED", "08 11:30", "customer 07 12:00", "company 08 12:00"),
    *slots("SLOT-AGAIN", "09 11:30", "customer 07 12:00", "customer 09 12:00"),
    *slots("SLOT-LATE-WISH", "08 11:30", "company 06 12:00", "customer 08 12:00"),
    *slots("SLOT-PAUSED", "08 08:00", "customer 06 12:00"),
    *slots("SLOT-FAR", "20 11:00", "customer 20 12:00"),
    cancelled("LATE-CUSTOMER", "customer", cancelled_at=at("06 10:00"), updated_at=at("06 10:00")),
    cancelled("LATE-COMPANY", "company", cancelled_at=at("13 10:00"), updated_at=at("13 10:00")),
    cancelled("LAST-MINUTE", "customer", cancelled_at=at("06 09:00"), updated_at=at("06 09:00")),
    cancelled("PAUSED", "customer", cancelled_at=at("07 10:00"), updated_at=at("07 10:00")),
    cancelled("LATE-DUPLICATE", "duplicate", cancelled_at=at("13 10:00")),
    cancelled("NO-CAUSE", ""),
    cancelled("TAKEN-BACK", "customer"),
    cancelled("TAKEN-BACK", "customer", status="in_progress", updated_at=at("05 13:00")),
]

FEEDS = {
    **BESIDE,
    "work_orders": [*ORDERS, *AGAIN, *LATE],
    "pauses": [
        pause(f"W-{i}", i, "05 10:00", "07 10:00", "parts") for i in ("SLOT-PAUSED", "PAUSED")
    ],
    "technicians": [{"technician_id": "T1", "name": "王伟", "updated_at": at("01 00:00")}],
    "areas": [{"area_id": "W", "name": "乌鲁木齐", "time_zone": "Asia/Urumqi"}],
    "roster": [{"technician_id": "T1", "work_date": "2026-01-05", "available_minutes": 480}],
    "recognitions": [{
        "recognition_id": "R1", "technician_id": "T1", "customer_id": "K1", "kind": "praise",
        "occurred_on": "2026-01-06", "evidence_ref": "letter", "approved_by": "M1",
    }],
    "training": [{
        "training_id": "F1", "technician_id": "T1", "course": "gas", "held_on": "2026-01-09",
        "attended": "true",
    }],
    "corrections": [{
        "correction_id": "K1", "target_feed": "surveys", "target_key": "S-NO-FAULT",
        "field": "rating", "new_value": "1", "decision": "rejected", "decided_at": at("20 09:00"),
    }],
}  # fmt: skip


@pytest.fixture(scope="module")
def company(site: Site) -> SimpleNamespace:
    """The marts of the company of cases with every feed delivered; events by order and KPI."""
    settings = site.clear()
    for feed, records in FEEDS.items():
        deliver(settings, feed, NIGHT, records)
    run_night(settings, NIGHT)
    found = marts(settings)
    events = defaultdict(list)
    for event in found["fct_kpi_events"]:
        events[event["order_id"], event["kpi_code"]].append(event)
    return SimpleNamespace(marts=found, events=events)


# --- the table -----------------------------------------------------------------------------------

ROWS = table(CASES)
CELLS = [
    pytest.param(row[column], column, variant["order_id"], id=f"{variant['order_id']}-{column}")
    for row in ROWS
    for variant in VARIANTS[row["case"]]
    for column in COLUMNS
]

# What the record of an ordinary order says. Points and minutes are those of standard_work.csv for
# an appliance without rows of its own; the complaint was resolved in limit, to no satisfaction.
NUMERATORS = {
    "on_time_24h": 1, "on_time_24h_gross": 1, "completion": 1, "response_time": 30,
    "duration_index": 60, "utilisation": 60,
    "csat_top2": 1, "csat_mean": 5, "nps": 1, "survey_response_rate": 1, "survey_sent_in_24h": 1,
    "complaint_rate": Decimal("0.75"), "complaint_handling": 80,
    "inspection": 8, "parts_cost_index": 20, "parts_return_rate": 1, "travel_cost_index": 33,
}  # fmt: skip
POINTS = {"yes": Decimal(1), "diagnosis": Decimal("0.5"), "0.3": Decimal("0.3")}
MINUTES = {"yes": 60, "diagnosis": 30}
OWN = {
    "INSTALL": (Decimal("1.8"), 110),
    "MAINTAIN": (Decimal("0.8"), 50),
    "INSPECT": (Decimal("0.6"), 35),
    "RECALL": (Decimal("0.8"), 45),
    "RECALL-AGAIN": (Decimal("0.8"), 45),
}


def said(cell: str | None, kpi_code: str, order_id: str) -> dict[str, object] | None:
    """What a cell wants an order's record of a KPI to say; None where it is not to count."""
    came_back = order_id.endswith("-AGAIN")
    if cell is None or (cell == "fails if repeated" and not came_back):
        return None
    if cell == "0" and kpi_code == "travel_cost_index":
        return None  # nobody claims for a way nobody went, and such an order is in neither sum
    if cell == "0" and kpi_code == "parts_cost_index":
        return {"numerator": 0}
    if cell in ("breach", "not completed"):
        return {"numerator": 0, "denominator": 1}
    if kpi_code == "workload_points":
        # A repair that comes back loses its points; other services keep them.
        points = OWN[order_id][0] if cell == "own" else POINTS[cell]
        return {"numerator": 0 if came_back and cell != "own" else points}
    if kpi_code == "duration_index":
        return {
            "numerator": 60,
            "denominator": OWN[order_id][1] if cell == "own" else MINUTES[cell],
        }
    if kpi_code.startswith("first_time_fix"):
        return {"numerator": 0 if came_back else 1}
    if kpi_code.startswith("repeat_repair"):
        return {"numerator": 1 if came_back else 0}
    if kpi_code == "minor_faults":
        return {"numerator": 0 if came_back else 1}  # somebody had to come again
    return {"numerator": NUMERATORS[kpi_code]}


@pytest.mark.parametrize(("cell", "column", "order_id"), CELLS)
def test_a_cell_of_the_case_table_holds(company, cell, column, order_id) -> None:
    for kpi_code in COLUMNS[column]:
        [event] = company.events[order_id, kpi_code]
        expected = said(cell, kpi_code, order_id)
        if expected is None:
            assert (event["eligible"], bool(event["reason_code"])) == (False, True), kpi_code
        else:
            assert (event["eligible"], event["mature"]) == (True, True), kpi_code
            assert {name: event[name] for name in expected} == expected, kpi_code


def test_every_cell_of_the_case_table_is_checked() -> None:
    # A row of the handbook has an order for each of its words, each with all twelve columns.
    assert {row["case"] for row in ROWS} == set(VARIANTS)
    assert all(set(row) == {"case", *COLUMNS} for row in ROWS)
    assert len(ROWS) == 10
    assert len(CELLS) == len({cell.id for cell in CELLS}) == 12 * len(IDS)
    # What the table does not speak of has words of its own in the handbook.
    of_their_own = {"jobs", "repair_success", "on_time_arrival", "mttr_mean", "mttr_median"}
    with (PROJECT / "dbt_project" / "seeds" / "policy" / "kpi_catalog.csv").open() as file:
        catalog = {row["kpi_code"] for row in csv.DictReader(file)}
    assert {code for codes in COLUMNS.values() for code in codes} == catalog - of_their_own


def test_the_orders_eligibility_says_the_same_as_the_events(company) -> None:
    columns = ("order_id", "kpi_code", "eligible", "reason_code")

    def sorted_rows(name: str) -> list[tuple]:
        return sorted((tuple(row[c] for c in columns) for row in company.marts[name]), key=repr)

    assert sorted_rows("fct_order_eligibility") == sorted_rows("fct_kpi_events")
    judged = {row["order_id"] for row in company.marts["fct_order_eligibility"]}
    assert judged >= {row["order_id"] for row in FEEDS["work_orders"]}


def test_every_exclusion_the_policy_lists_shows_itself_as_a_reason(company) -> None:
    with (PROJECT / "dbt_project" / "seeds" / "policy" / "case_exclusions.csv").open() as file:
        listed = {(row["case_code"], row["kpi_code"]) for row in csv.DictReader(file)}
    shown = {
        (event["reason_code"], event["kpi_code"])
        for event in company.marts["fct_kpi_events"]
        if not event["eligible"]
    }
    assert listed
    assert listed - shown == set()


# --- beside the table ----------------------------------------------------------------------------


def verdict(company, order_id: str, kpi_code: str) -> tuple:
    """Whether an order's record counts, what it brings if so, and its reason."""
    [event] = company.events[order_id, kpi_code]
    return event["eligible"], event["eligible"] and event["numerator"], event["reason_code"]


@pytest.mark.parametrize("row", table(SLOTS), ids=lambda row: row["order"])
def test_a_slot_the_customer_asked_for_moves_the_due_time_out(company, row) -> None:
    [found] = [o for o in company.marts["fct_work_orders"] if o["order_id"] == row["order"]]
    assert found["due_at"] == datetime.fromisoformat(f"2026-01-{row['due']}") - timedelta(hours=8)
    assert found["is_on_time"] == {"yes": True, "no": False}[row["on_time"]]


def test_a_customers_slot_a_fortnight_off_moves_completion_too(company) -> None:
    [event] = company.events["SLOT-FAR", "completion"]
    assert (event["numerator"], event["business_date"]) == (1, date(2026, 1, 20))


@pytest.mark.parametrize(
    ("order_id", "net", "gross", "completion"),
    [
        ("LATE-CUSTOMER", "breach", "breach", "excused"),
        ("LATE-COMPANY", "breach", "breach", "not completed"),
        ("LAST-MINUTE", "excused", "excused", "excused"),
        # Paused for two days: due by the wall clock, not yet due net.
        ("PAUSED", "excused", "breach", "excused"),
    ],
)
def test_a_cancellation_after_the_due_time_leaves_the_breach(
    company, order_id, net, gross, completion
) -> None:
    words = {
        "breach": (True, 0, "open_past_due"),
        "not completed": (True, 0, "not_completed"),
        "excused": (False, False, "cancelled_before_departure_excused"),
    }
    assert verdict(company, order_id, "on_time_24h") == words[net]
    assert verdict(company, order_id, "on_time_24h_gross") == words[gross]
    assert verdict(company, order_id, "completion") == words[completion]


def test_a_cancellation_that_was_taken_back_ends_nothing(company) -> None:
    ended = {"workload_points", "jobs", "duration_index", "parts_cost_index", "travel_cost_index"}
    assert ended.isdisjoint(code for order_id, code in company.events if order_id == "TAKEN-BACK")
    assert verdict(company, "TAKEN-BACK", "on_time_24h") == (True, 0, "open_past_due")


def test_what_never_was_an_order_breaks_no_promise_however_late_it_is_noticed(company) -> None:
    for kpi_code in ("on_time_24h", "on_time_24h_gross", "completion"):
        assert verdict(company, "LATE-DUPLICATE", kpi_code) == (False, False, "duplicate_or_test")


def test_a_cancellation_counts_for_the_day_it_was_cancelled(company) -> None:
    for kpi_code in ("first_time_fix", "repeat_repair_7d", "duration_index", "workload_points"):
        [event] = company.events["LATE-COMPANY", kpi_code]
        assert event["business_date"] == date(2026, 1, 13), kpi_code


def test_no_fault_found_fails_when_reopened_in_seven_days_and_says_nothing_later(company) -> None:
    assert verdict(company, "REOPENED-EARLY", "first_time_fix") == (True, 0, "reopened")
    assert verdict(company, "REOPENED-LATE", "first_time_fix") == (False, False, "nothing_to_fix")


# --- which feeds there are -----------------------------------------------------------------------


def test_with_every_feed_every_kpi_is_available_for_somebody(company) -> None:
    assert set(FEEDS) == set(canonical_feeds())
    kpis = company.marts["fct_technician_kpis"]
    codes = {kpi["kpi_code"] for kpi in company.marts["dim_kpis"]}
    assert len(codes) == 28
    assert {kpi["kpi_code"] for kpi in kpis if kpi["available"]} == codes
    assert_lines_add_up(company.marts)


def test_the_three_core_feeds_are_enough_for_a_score(site: Site, tiny_published: str) -> None:
    found = marts(site.go_back(tiny_published))
    assert set(TINY) == set(CORE)
    kpis = [kpi for kpi in found["fct_technician_kpis"] if kpi["technician_id"] == "T1"]
    optional = {
        "inspection", "complaint_rate", "complaint_handling", "minor_faults",
        "parts_cost_index", "parts_return_rate",
    }  # fmt: skip
    absent = [kpi for kpi in kpis if kpi["kpi_code"] in optional]
    assert len(absent) == len(optional)
    for kpi in absent:
        assert (kpi["available"], kpi["n"], kpi["badge"]) == (False, 0, "unavailable")
        empty = ("raw_value", "points", "effective_weight", "contribution")
        assert [kpi[name] for name in empty] == [None] * len(empty)
    # Their 19 points of weight are carried by the others, and the score is still one of 100.
    weighed = [kpi for kpi in kpis if kpi["effective_weight"] is not None]
    assert sum(kpi["weight"] for kpi in absent) == 19
    assert abs(sum(kpi["effective_weight"] for kpi in weighed) - 100) < Decimal("1e-8")
    assert_lines_add_up(found)


def assert_lines_add_up(found: dict[str, list[Row]]) -> None:
    """Somebody is scored, and everybody's lines add up to his score to the last hundredth."""
    sums = defaultdict(int)
    for line in found["fct_score_lines"]:
        sums[line["period_month"], line["technician_id"]] += line["points"]
    scores = {
        (score["period_month"], score["technician_id"]): int(score["score"] * 100)
        for score in found["fct_technician_scores"]
        if score["status"] == "scored"
    }
    assert scores
    assert sums == scores
