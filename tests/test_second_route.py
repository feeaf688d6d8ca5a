"""The second route itself: small companies whose numbers are worked out by hand from the handbook.

tests/test_reference.py holds the pipeline against tests/reference; this file asks whether what it
is held against can be trusted. Moments are of 2026 in Shanghai: ``03-01 08:00``. 1 March is a
Sunday; work is Monday to Saturday from 8 to 18. Without history benchmarks are the policy's; m is
20.
"""

from __future__ import annotations

import copy
import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from reference import Reference, differences, disputed_records, score
from reference.clocks import merged, net_deadline
from reference.exact import held
from reference.lines import explain
from reference.orders import Order
from reference.records import KPIS, Record
from reference.scores import Score, Value, rank, weigh

TESTS = Path(__file__).parent
SEEDS = TESTS.parent / "dbt_project" / "seeds" / "policy"
FEBRUARY = date(2026, 2, 1)
MARCH = date(2026, 3, 1)
END_OF_MARCH = date(2026, 3, 31)

Row = dict[str, object]
Scored = Callable[..., Reference]

# Small ones, so that what is worked out by hand does not move with the company's own.
POLICY = {
    "standard_work": """
        service_type,appliance_category,fault_family,points,minutes,diagnosis_points,diagnosis_minutes
        repair,,,1,60,0.5,30
        repair,fridge,,2,90,0.6,40
        repair,fridge,COOL,3,120,0.7,50
        install,,,1.5,100,0.5,30
        """,
    "workload_standards": """
        grade,points
        ,21.75
        senior,43.5
        """,
    "recognition_points": """
        recognition_kind,points
        new_business,3
        """,
    "fault_families": """
        fault_code,fault_family
        E7,COOL
        """,
    "benchmark_defaults": """
        kpi_code,mean
        travel_cost_index,30
        parts_cost_index,40
        """,
}


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's weights, lines and limits, and small tables of standards."""
    folder = tmp_path_factory.mktemp("policy")
    shutil.copytree(SEEDS, folder, dirs_exist_ok=True)
    for table, text in POLICY.items():
        head, *lines = text.split()
        dated = [f"{head},valid_from,valid_to", *(f"{line},2015-01-01," for line in lines)]
        (folder / f"{table}.csv").write_text("\n".join(dated) + "\n")
    return folder


@pytest.fixture
def scored(policy: Path, tmp_path: Path) -> Scored:
    """Deliver these feeds on one date and score the company as of its end."""

    def of(as_of: date = END_OF_MARCH, **feeds: list[Row]) -> Reference:
        for feed, rows in feeds.items():
            deliver(tmp_path, feed, as_of, rows)
        return score(tmp_path, policy, as_of)

    return of


def deliver(landing: Path, feed: str, day: date, rows: list[Row]) -> None:
    path = landing / feed / str(day) / "file.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def at(moment: str) -> str:
    day, time = moment.split()
    return f"2026-{day}T{time}{':00' if time.count(':') == 1 else ''}+08:00"


def utc(moment: str) -> datetime:
    return datetime.fromisoformat(at(moment)).astimezone(UTC)


def row(**said: object) -> Row:
    """A row as a feed delivers it; what is a moment is written as one."""
    return {
        column: at(value) if value and column.endswith(("_at", "slot_end")) else value
        for column, value in said.items()
    }


def order(order_id: str, reported: str, completed: str | None = None, **other: object) -> Row:
    """A repair of a fridge's cooling by T1; each has an appliance of its own."""
    said = {
        "order_id": order_id,
        "technician_id": "T1",
        "status": "completed" if completed else "in_progress",
        "reported_at": reported,
        "assigned_at": reported,
        "accepted_at": reported,
        "completed_at": completed,
        "cancelled_at": None,
        "cancel_cause": None,
        "arrived_at": None,
        "slot_end": None,
        "slot_requested_by": None,
        "service_type": "repair",
        "appliance_category": "fridge",
        "appliance_serial": f"A-{order_id}",
        "customer_id": f"C-{order_id}",
        "fault_code": "COOL-01",
        "resolution": "fixed" if completed else None,
        "follow_up_of": None,
        "updated_at": completed or reported,
    }
    return row(**said | other)


def visit(visit_id: str, order_id: str, who: str, arrived: str, left: str, **other) -> Row:
    said = {
        "visit_id": visit_id,
        "order_id": order_id,
        "technician_id": who,
        "arrived_at": arrived,
        "left_at": left,
        "role": "lead",
        "outcome": "fixed",
        "diagnosis_recorded": "false",
        "updated_at": left,
    }
    return row(**said | other)


def pause(pause_id: str, start: str, end: str | None, owner: str, entered: str) -> Row:
    return row(
        pause_id=pause_id,
        order_id="O1",
        started_at=start,
        ended_at=end,
        owner=owner,
        evidence_ref=None,
        entered_at=entered,
    )


def survey(survey_id: str, order_id: str, sent: str, answered: str | None, **other) -> Row:
    said = {
        "survey_id": survey_id,
        "order_id": order_id,
        "sent_at": sent,
        "answered_at": answered,
        "rating": 5 if answered else None,
        "reason": None,
        "respondent_id": "C1",
        "updated_at": answered or sent,
    }
    return row(**said | other)


def complaint(complaint_id: str, order_id: str, received: str, **other) -> Row:
    said = {
        "complaint_id": complaint_id,
        "order_id": order_id,
        "received_at": received,
        "category": "technician",
        "valid": "true",
        "responded_at": None,
        "resolved_at": None,
        "final_rating": None,
        "evidence_ref": "CALL",
        "updated_at": received,
    }
    return row(**said | other)


def inspected(inspection_id: str, earned: int, possible: int) -> Row:
    return row(
        inspection_id=inspection_id,
        order_id="O1",
        inspected_at="03-03 12:00",
        item="safety",
        points_possible=possible,
        points_earned=earned,
        evidence_ref=None,
    )


def part(part_line_id: str, order_id: str, told: str, **other: object) -> Row:
    said = {
        "part_line_id": part_line_id,
        "order_id": order_id,
        "technician_id": "T1",
        "quantity_taken": 1,
        "quantity_used": 1,
        "quantity_returned": None,
        "unit_cost": 9,
        "updated_at": told,
    }
    return row(**said | other)


def claim(expense_id: str, day: str, amount: str, **other) -> Row:
    said = {
        "expense_id": expense_id,
        "technician_id": "T1",
        "incurred_on": f"2026-{day}",
        "kind": "travel",
        "amount": amount,
        "status": "approved",
        "order_id": None,
        "trip_id": None,
        "updated_at": f"{day} 20:00",
    }
    return row(**said | other)


def recognition(number: int, day: str, **other: object) -> Row:
    said = {
        "recognition_id": f"R{number}",
        "technician_id": "T1",
        "order_id": None,
        "customer_id": f"C{number}",
        "kind": "new_business",
        "occurred_on": f"2026-{day}",
        "evidence_ref": "MAIL",
        "approved_by": "boss",
    }
    return row(**said | other)


def the(reference: Reference, kpi: str, key: str) -> Record:
    """The one record of a KPI with this key."""
    [record] = [r for r in reference.records if (r.kpi, r.key) == (kpi, key)]
    return record


def days_of(reference: Reference, kpi: str) -> dict[int, Decimal]:
    """A technician's available days: day of the month → denominator."""
    found = {
        r.business_date.day: r.denominator for r in reference.records if r.kpi == kpi and r.is_day
    }
    assert found
    return found


def order_of(reference: Reference, order_id: str) -> Order:
    return reference.company.orders[order_id]


def value_of(reference: Reference, kpi: str, month: date = MARCH) -> Value:
    """T1's month in a KPI."""
    return reference.kpis[month, "T1", kpi]


def test_the_second_route_shares_no_code_with_the_pipeline() -> None:
    program = "import reference, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS, capture_output=True, text=True, check=True
    )
    loaded = set(told.stdout.split())
    assert "reference" in loaded
    assert not loaded & {"fieldscore", "dbt", "psycopg", "polars"}


# --- deliveries ----------------------------------------------------------------------------------


def test_the_same_row_again_takes_its_last_place(policy: Path, tmp_path: Path) -> None:
    a = order("O1", "03-01 08:00", appliance_serial="A")
    b = {**a, "appliance_serial": "B"}
    for day, version, current in ((1, a, "A"), (2, b, "B"), (3, a, "A")):
        deliver(tmp_path, "work_orders", date(2026, 3, day), [version])
        found = score(tmp_path, policy, date(2026, 3, day))
        assert order_of(found, "O1").now["appliance_serial"] == current
    assert len(order_of(found, "O1").versions) == 2


def test_the_highest_version_wins_over_the_newest_update(scored: Scored) -> None:
    highest = order("O1", "03-01 08:00", version=2, fault_code="NOISE-01")
    newest = order("O1", "03-01 08:00", version=1, updated_at="03-02 08:00")
    found = scored(work_orders=[highest, newest])
    assert order_of(found, "O1").now["fault_code"] == "NOISE-01"


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"order_id": ""}, "order_id"),
        ({"status": "done"}, "status"),
        ({"completed_at": "32.13.2026"}, "completed_at"),
        ({"updated_at": "2026-04-02T08:00:00+08:00"}, "updated_at"),
    ],
)
def test_one_bad_column_rejects_its_row_and_the_version_before_it_stands(
    scored: Scored, change: Row, column: str
) -> None:
    good = order("O1", "03-01 08:00", "03-01 10:00")
    bad = {**order("O1", "03-01 08:00", updated_at="03-02 08:00"), **change}
    found = scored(work_orders=[good, bad])
    assert order_of(found, "O1").now["status"] == "completed"
    [reject] = found.company.deliveries.rejects
    assert (reject.row_number, reject.column) == (2, column)


def test_a_moment_is_rejected_from_two_days_after_its_delivery_date_on(scored: Scored) -> None:
    # The delivery of 31 March: 1 April 23:59 in UTC is 2 April 07:59 in Shanghai.
    taken = order("O1", "03-01 08:00", updated_at="04-02 07:59")
    ahead = order("O2", "03-01 08:00", updated_at="04-02 08:00")
    assert set(scored(work_orders=[taken, ahead]).company.orders) == {"O1"}


def test_a_correction_holds_in_every_version_that_says_something(scored: Scored) -> None:
    first = order("O1", "03-01 08:00", fault_code="NOISE-01")
    then = order("O1", "03-01 08:00", "03-01 12:00", fault_code="NOISE-02")

    def upheld(number: int, field: str, new_value: str, decided: str) -> Row:
        return row(
            correction_id=f"K{number}",
            target_feed="work_orders",
            target_key="O1",
            field=field,
            new_value=new_value,
            decision="upheld",
            decided_at=decided,
        )

    corrections = [
        upheld(1, "fault_code", "COOL-09", "03-05 08:00"),
        upheld(2, "fault_code", "FAN-01", "03-04 08:00"),
        upheld(3, "completed_at", at("03-01 11:00"), "03-04 08:00"),
        upheld(4, "order_id", "O9", "03-04 08:00"),
    ]
    found = order_of(scored(work_orders=[first, then], corrections=corrections), "O1")
    # K1 was decided last, and a later code counts only so: not NOISE but COOL.
    assert found.stratum == "repair|fridge|COOL"
    assert found.first_completed_at == utc("03-01 11:00")
    assert found.versions[0]["completed_at"] is None


# --- clocks --------------------------------------------------------------------------------------


def test_excused_pauses_are_merged_and_an_own_pause_neither_adds_nor_blocks(
    scored: Scored,
) -> None:
    # Assigned after 1 h, 4 h of pauses (10-13 and 12-14), 2 h of his own in them: 5 h excused.
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-03 12:59", assigned_at="03-02 09:00")],
        pauses=[
            pause("P1", "03-02 10:00", "03-02 13:00", "customer", "03-02 10:00"),
            pause("P2", "03-02 12:00", "03-02 14:00", "parts", "03-02 12:00"),
            pause("P3", "03-02 11:00", "03-02 13:00", "technician", "03-02 11:00"),
            # Written down after completion, without evidence: it does not count.
            pause("P4", "03-03 10:00", "03-03 11:00", "customer", "03-04 08:00"),
        ],
    )
    assert order_of(found, "O1").on_time_due_at == utc("03-03 13:00")
    assert the(found, "on_time_24h", "O1").numerator == 1
    assert the(found, "on_time_24h_gross", "O1").failure == "completed_late"
    # 28 h 59 min less 5 h.
    assert the(found, "mttr_mean", "O1").numerator == 1439


def test_a_pause_that_outlasts_completion_moves_the_due_time_no_further(scored: Scored) -> None:
    # Two hours into it the order is done, so two hours are excused and not two days.
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-02 20:00")],
        pauses=[pause("P1", "03-02 18:00", "03-04 18:00", "customer", "03-02 18:00")],
    )
    assert the(found, "on_time_24h", "O1").anchored_at == utc("03-03 10:00")


def test_a_deadline_stands_still_with_the_clock() -> None:
    start, hour = utc("03-02 08:00"), timedelta(hours=1)
    pauses = merged([(start + 2 * hour, start + 5 * hour), (start + 8 * hour, start + 9 * hour)])
    assert net_deadline(start, 2 * hour, pauses) == start + 2 * hour
    assert net_deadline(start, 4 * hour, pauses) == start + 7 * hour
    assert net_deadline(start, 6 * hour, pauses) == start + 10 * hour


def test_an_order_nobody_ever_had_is_late_after_fifteen_days_and_nobodys(scored: Scored) -> None:
    nobody = {"technician_id": None, "assigned_at": None, "accepted_at": None}
    found = scored(work_orders=[order("O1", "03-01 08:00", status="open", **nobody)])
    late = the(found, "on_time_24h", "O1")
    assert late.anchored_at == utc("03-16 08:00")
    assert (late.failure, late.reason) == ("open_past_due", "technician_unknown")
    assert found.scores == {}


def test_a_slot_of_the_customers_moves_the_due_time_out_and_one_of_the_companys_does_not(
    scored: Scored,
) -> None:
    done = "03-05 12:00:01"
    asked = order("O1", "03-02 08:00", slot_end="03-05 12:00", slot_requested_by="customer")
    moved = order("O1", "03-02 08:00", done, slot_end="03-06 12:00", slot_requested_by="company")
    late = the(scored(work_orders=[asked, moved]), "on_time_24h", "O1")
    assert (late.anchored_at, late.failure) == (utc("03-05 12:00"), "completed_late")


def test_response_counts_working_minutes_and_belongs_to_who_came_where_nobody_accepted(
    scored: Scored,
) -> None:
    # Saturday 16:00 to Monday 09:00: two hours and one, Sunday is off.
    nobody = order("O1", "03-07 16:00", technician_id=None, accepted_at=None)
    given = order("O1", "03-07 16:00", accepted_at=None, updated_at="03-07 18:00")
    found = scored(
        work_orders=[nobody, given],
        visits=[visit("V1", "O1", "T1", "03-09 09:00", "03-09 10:00", outcome="diagnosed")],
    )
    response = the(found, "response_time", "O1")
    assert (response.numerator, response.technician_id, response.reason) == (180, "T1", None)


# --- completed, reopened, repeated ---------------------------------------------------------------


def test_a_correction_moves_first_completion_and_a_reopening_does_not(scored: Scored) -> None:
    # The example of DECISIONS.md.
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-03 10:00", updated_at="03-03 10:05"),
            order("O1", "03-02 08:00", "03-03 09:30", updated_at="03-04 08:00"),
            order("O1", "03-02 08:00", "03-05 15:00", updated_at="03-05 15:05"),
        ]
    )
    reopened = order_of(found, "O1")
    assert reopened.first_completed_at == utc("03-03 09:30")
    assert reopened.final.completed_at == utc("03-05 15:00")
    assert reopened.is_reopened_soon


def test_a_reopened_order_fails_also_while_it_is_open_and_says_no_resolution(
    scored: Scored,
) -> None:
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 12:00"),
            order("O1", "03-02 08:00", updated_at="03-09 12:00"),
            order("O2", "03-02 08:00", "03-02 12:00"),
            order("O2", "03-02 08:00", updated_at="03-09 12:00:01"),
        ]
    )
    in_time, late = the(found, "first_time_fix", "O1"), the(found, "first_time_fix", "O2")
    assert (in_time.reason, in_time.failure) == (None, "reopened")
    assert (late.reason, late.failure) == (None, None)
    assert order_of(found, "O1").final is None
    assert order_of(found, "O2").final.completed_at == utc("03-02 12:00")


def test_the_reopening_of_what_is_no_repair_is_an_on_time_breach_instead(scored: Scored) -> None:
    done = order("O1", "03-02 08:00", "03-02 12:00", service_type="install")
    again = order("O1", "03-02 08:00", updated_at="03-05 12:00", service_type="install")
    found = scored(work_orders=[done, again])
    assert the(found, "on_time_24h", "O1").failure == "reopened"
    assert the(found, "repeat_repair_7d", "O1").numerator == 0


def test_after_a_late_reopening_work_stays_where_it_counted_and_only_cost_is_added(
    scored: Scored,
) -> None:
    found = scored(
        work_orders=[
            order("O1", "02-20 08:00", "02-20 12:00", arrived_at="02-20 11:00"),
            order("O1", "02-20 08:00", "03-05 12:00", arrived_at="03-05 11:00"),
        ],
        expenses=[
            claim("E1", "02-20", "10", order_id="O1"),
            claim("E2", "03-05", "14", order_id="O1"),
        ],
        parts=[part("L1", "O1", "02-20 12:00"), part("L2", "O1", "03-05 12:00")],
    )
    # Cooling of a fridge: 3 points, and 60 minutes of 120, in February alone.
    for kpi, numbers in (("workload_points", (3, 0)), ("duration_index", (60, 120))):
        work = the(found, kpi, "O1/T1")
        assert (work.numerator, work.denominator) == numbers
        assert work.business_date == date(2026, 2, 20)
    costs = {
        kpi: [
            (r.business_date.month, r.numerator, r.denominator)
            for r in found.records
            if r.kpi == kpi
        ]
        for kpi in ("travel_cost_index", "parts_cost_index")
    }
    assert costs["travel_cost_index"] == [(2, 10, 30), (3, 14, 0)]
    assert costs["parts_cost_index"] == [(2, 9, 40), (3, 9, 0)]


@pytest.mark.parametrize(
    ("later", "comes_back"),
    [
        ({"reported_at": "03-09 12:00"}, True),
        ({"reported_at": "03-09 12:00:01"}, False),
        ({"fault_code": "E7"}, True),
        ({"fault_code": "NOISE-01"}, False),
        ({"fault_code": None}, True),
        ({"service_type": "maintain"}, False),
        ({"appliance_serial": "other"}, False),
        ({"appliance_serial": None, "customer_id": " c-o1"}, True),
        ({"status": "cancelled", "cancel_cause": "customer"}, False),
    ],
)
def test_a_fault_comes_back_within_seven_days_on_the_same_appliance(
    scored: Scored, later: Row, comes_back: bool
) -> None:
    said = {"reported_at": "03-05 08:00", "appliance_serial": "A-O1", "technician_id": "T2"} | later
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 12:00"),
            order("O2", said.pop("reported_at"), **said),
        ]
    )
    assert the(found, "first_time_fix", "O1").failure == ("repeated" if comes_back else None)
    assert the(found, "repeat_repair_7d", "O1").numerator == comes_back
    assert the(found, "repair_success", "O1").numerator == (not comes_back)
    assert the(found, "workload_points", "O1/T1").numerator == (0 if comes_back else 3)


def test_a_repeat_is_charged_to_the_nearest_earlier_order_and_earns_its_technician_nothing(
    scored: Scored,
) -> None:
    same = {"appliance_serial": "A"}
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 12:00", technician_id="T2", **same),
            order("O2", "03-03 08:00", "03-03 12:00", service_type="install", **same),
            order("O3", "03-05 08:00", "03-05 12:00", **same),
        ]
    )
    assert order_of(found, "O3").repeats.earlier.order_id == "O2"
    assert the(found, "first_time_fix", "O1").failure is None
    # An installation is no repair that could lose its points; T1 is charged with O2.
    assert the(found, "workload_points", "O2/T1").numerator == Decimal("1.5")
    assert the(found, "workload_points", "O3/T1").failure == "own_repeat"


@pytest.mark.parametrize(
    ("service", "resolution", "reason"),
    [
        ("repair", None, "resolution_unknown"),
        ("repair", "irreparable", "irreparable_or_quote_refused"),
        ("inspect", "quote_refused", "irreparable_or_quote_refused"),
        ("inspect", "fixed", None),
        ("repair", "no_fault_found", None),
    ],
)
def test_where_rows_of_the_case_table_overlap_the_dash_wins(
    scored: Scored, service: str, resolution: str | None, reason: str | None
) -> None:
    done = order("O1", "03-02 08:00", "03-02 12:00", service_type=service, resolution=resolution)
    found = scored(work_orders=[done])
    assert the(found, "repeat_repair_7d", "O1").reason == reason
    assert the(found, "repeat_repair_30d", "O1").reason == reason


# --- visits and whose they are -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("diagnosed", "parts_of", "failure", "whose"),
    [
        ("true", "O1", None, "T2"),
        ("true", "O9", "further_visit", "T1"),
        ("false", "O1", "further_visit", "T1"),
    ],
)
def test_one_further_visit_for_a_wanted_part_is_excused(
    scored: Scored, diagnosed: str, parts_of: str, failure: str | None, whose: str
) -> None:
    wanting = {"outcome": "parts_needed", "diagnosis_recorded": diagnosed}
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-04 12:00")],
        visits=[
            visit("V0", "O1", "T3", "03-02 09:00", "03-02 09:10", outcome="no_access"),
            visit("V1", "O1", "T1", "03-02 11:00", "03-02 11:30", **wanting),
            visit("V2", "O1", "T2", "03-04 11:00", "03-04 12:00"),
        ],
        parts=[part("L1", parts_of, "03-04 12:00")],
    )
    fix = the(found, "first_time_fix", "O1")
    assert (fix.failure, fix.technician_id) == (failure, whose)
    strict = the(found, "first_time_fix_strict", "O1")
    assert (strict.failure, strict.technician_id) == ("further_visit", whose)
    assert the(found, "completion", "O1").technician_id == "T1"
    assert order_of(found, "O1").accountable == "T2"


def test_an_order_that_follows_up_a_wanted_part_is_a_visit_and_no_repeat(scored: Scored) -> None:
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 12:00", appliance_serial="A"),
            order("O2", "03-04 08:00", "03-04 12:00", appliance_serial="A", follow_up_of="O1"),
        ],
        visits=[
            visit("V1", "O1", "T1", "03-02 11:00", "03-02 12:00", outcome="parts_needed"),
            visit("V2", "O2", "T2", "03-04 11:00", "03-04 12:00"),
        ],
    )
    assert the(found, "first_time_fix", "O1").failure == "further_visit"
    assert the(found, "first_time_fix", "O2").reason == "follow_up_visit"
    assert the(found, "repeat_repair_7d", "O1").numerator == 0


def test_who_comes_after_first_completion_answers_for_nothing_before_it(scored: Scored) -> None:
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-04 15:00")],
        visits=[
            visit("V1", "O1", "T2", "03-02 11:00", "03-02 12:00", outcome="diagnosed"),
            visit("V2", "O1", "T3", "03-06 11:00", "03-06 12:00"),
        ],
    )
    assert order_of(found, "O1").accountable == "T2"


def test_credit_shares_are_by_minutes_and_the_accountable_has_the_rest(scored: Scored) -> None:
    there = ("03-02 10:00", "03-02 10:20")
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-02 12:00")],
        visits=[
            visit("V1", "O1", "T1", *there),
            visit("V2", "O1", "T2", *there, role="assistant"),
            # How a visit ended is for its lead to say.
            visit("V3", "O1", "T3", *there, role="assistant", outcome=None),
            visit("V4", "O1", "T4", *there, outcome=None),
            visit("V5", "O1", "T5", *there, role="assistant", outcome="no_access"),
        ],
    )
    third = Decimal("0.333333")
    shares = order_of(found, "O1").shares(utc("03-02 12:00"))
    assert shares == {"T1": third + Decimal("0.000001"), "T2": third, "T3": third}
    assert the(found, "workload_points", "O1/T2").numerator == Decimal("0.999999")
    # Three were there for the same 20 minutes: an order's minutes are each counted once.
    assert the(found, "duration_index", "O1/T2").numerator == Decimal("6.66666")


def test_a_cancellation_after_departure_earns_a_flat_part_and_travel(scored: Scored) -> None:
    gone = {"status": "cancelled", "cancelled_at": "03-02 12:00", "arrived_at": "03-02 11:00"}
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", cancel_cause="customer", **gone),
            order("O2", "03-02 08:00", cancel_cause="technician", **gone),
            order("O3", "03-02 08:00", cancel_cause="duplicate", **gone),
        ],
        expenses=[claim("E1", "03-02", "10", trip_id="TR")],
    )
    assert the(found, "workload_points", "O1/T1").numerator == Decimal("0.3")
    assert the(found, "workload_points", "O2").reason == "cancelled_after_departure_by_technician"
    assert the(found, "on_time_24h", "O1").reason == "cancelled_after_departure_excused"
    assert the(found, "on_time_24h", "O2").failure == "open_past_due"
    # The way was to two orders; the duplicate never was one.
    assert the(found, "travel_cost_index", "O1/T1").numerator == 5
    assert the(found, "travel_cost_index", "O2/T1").reason is None
    assert the(found, "travel_cost_index", "O3").reason == "duplicate_or_test"


def test_a_remote_fix_has_no_visit_and_no_part_of_a_trip(scored: Scored) -> None:
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 09:00", resolution="remote_fix"),
            order("O2", "03-02 08:00", "03-02 12:00"),
        ],
        expenses=[claim("E1", "03-02", "10", trip_id="TR")],
    )
    assert the(found, "travel_cost_index", "O1").reason == "no_claim"
    assert the(found, "travel_cost_index", "O2/T1").numerator == 10
    assert the(found, "duration_index", "O1/T1").reason == "remote_fix"
    assert the(found, "first_time_fix", "O1").numerator == 1


# --- volume --------------------------------------------------------------------------------------


def test_workload_is_held_against_the_days_that_were_there(scored: Scored) -> None:
    """Nine days of March: hired on Tuesday the 3rd; the roster says full, half, none."""
    hired = {"technician_id": "T1", "name": "", "area_id": None, "hired_on": "2026-03-03"}
    found = scored(
        date(2026, 3, 9),
        work_orders=[order("O1", "03-03 08:00", "03-03 12:00", fault_code=None)],
        technicians=[
            row(**hired, grade="junior", updated_at="03-03 00:00"),
            row(**hired, grade="senior", updated_at="03-05 00:00"),
        ],
        roster=[
            row(technician_id="T1", work_date=f"2026-03-0{day}", available_minutes=minutes)
            for day, minutes in ((2, 480), (3, 480), (4, 480), (5, 240), (6, 0))
        ],
    )
    # A day is worth 1 point to a junior and 2 to a senior; he is senior from the 5th on.
    assert days_of(found, "workload_points") == {3: 1, 4: 1, 5: 1}
    workload = value_of(found, "workload_points")
    # A fridge without a known fault: 2 points of 3, and n counts orders, not days.
    assert (workload.numerator, workload.denominator, workload.n) == (2, 3, 1)
    # 80 * (2/3 - .5) / .5.
    assert (workload.raw_value, workload.points) == (Decimal("0.6666666667"), Decimal("26.67"))
    # Nobody knows how long it took.
    assert not value_of(found, "utilisation").available


def test_without_roster_the_calendars_working_days_are_available(scored: Scored) -> None:
    found = scored(date(2026, 3, 9), work_orders=[order("O1", "03-03 08:00", "03-03 12:00")])
    # From the first day of the month of the first order on; the 1st and the 8th are Sundays.
    assert days_of(found, "utilisation") == dict.fromkeys((2, 3, 4, 5, 6, 7, 9), 480)


def test_a_feed_begins_with_the_local_month_of_its_earliest_event(scored: Scored) -> None:
    # 06:00 of 1 March in Shanghai is still February in UTC.
    found = scored(date(2026, 3, 9), work_orders=[order("O1", "03-01 06:00", "03-01 12:00")])
    assert found.company.deliveries.starts["work_orders"] == MARCH
    assert min(days_of(found, "workload_points")) == 2


def test_a_day_in_the_west_ends_later_and_with_the_grade_of_its_own_end(scored: Scored) -> None:
    """A senior from the 6th in Shanghai, which is ten in the evening of the 5th in Urumqi."""
    west = {"technician_id": "T1", "name": "", "area_id": "W"}
    found = scored(
        date(2026, 3, 9),
        work_orders=[order("O1", "03-09 08:00", "03-09 12:00")],
        areas=[row(area_id="W", name="", time_zone="Asia/Urumqi", calendar_id="standard")],
        technicians=[
            row(**west, grade="junior", updated_at="03-01 00:00"),
            row(**west, grade="senior", updated_at="03-06 00:00"),
        ],
    )
    # The 9th has not ended there when it has in Shanghai.
    assert days_of(found, "workload_points") == {2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 2}


# --- surveys -------------------------------------------------------------------------------------

SENT = "03-01 12:00"


@pytest.mark.parametrize(
    ("surveys", "rating", "reasons"),
    [
        pytest.param(
            [
                survey("S1", "O1", SENT, "03-03 09:00", rating=2),
                survey("S1", "O1", SENT, "03-06 09:00", rating=5),
                survey("S1", "O1", SENT, "03-20 09:00", rating=1),
                survey("S2", "O1", "03-02 12:00", "03-08 12:00:01", rating=3),
            ],
            5,
            {"S1": None, "S2": "answered_late"},
            id="the example of DECISIONS.md",
        ),
        pytest.param(
            [
                survey("S1", "O1", SENT, "03-03 09:00", rating=2),
                survey("S2", "O1", "03-02 12:00", "03-08 12:00", rating=3),
            ],
            3,
            {"S1": "superseded_answer", "S2": None},
            id="the window's last second",
        ),
        pytest.param(
            [
                survey("S1", "O1", SENT, "03-01 12:00:03", rating=4),
                survey("S2", "O1", "03-02 12:00", "03-02 12:00:02", rating=1),
                survey("S3", "O1", "03-02 12:00", "03-03 12:00", respondent_id="staff-01"),
            ],
            4,
            {"S1": None, "S2": "answered_too_fast", "S3": "staff_respondent"},
            id="void answers",
        ),
        pytest.param(
            [
                survey("S1", "O1", SENT, "03-02 12:00", rating=5),
                survey("S2", "O1", "03-02 12:00", "03-03 12:00", rating=1, reason="product"),
            ],
            None,
            {"S1": "superseded_answer", "S2": "not_technicians_doing"},
            id="the reason is asked last",
        ),
    ],
)
def test_the_last_valid_answer_in_the_window_counts_then_its_reason_is_asked(
    scored: Scored, surveys: list[Row], rating: int | None, reasons: dict[str, str | None]
) -> None:
    found = scored(work_orders=[order("O1", "03-01 08:00", "03-01 11:00")], surveys=surveys)
    for survey_id, reason in reasons.items():
        assert the(found, "csat_top2", survey_id).reason == reason
    assert value_of(found, "csat_mean").raw_value == rating
    assert the(found, "survey_response_rate", "O1").numerator == 1


def test_answers_count_until_eight_days_after_month_end(scored: Scored) -> None:
    done = order("O1", "02-27 08:00", "02-28 11:00")
    late = survey("S1", "O1", "03-05 12:00", "03-09 00:00:01")
    found = scored(date(2026, 3, 9), work_orders=[done], surveys=[late])
    assert the(found, "csat_top2", "S1").reason == "answered_late"


# --- complaints and inspections ------------------------------------------------------------------


def test_a_complaint_turned_good_weighs_less_and_the_worst_counts(scored: Scored) -> None:
    turned = {"responded_at": "03-03 12:00", "resolved_at": "03-05 12:00"}
    found = scored(
        work_orders=[order(f"O{n}", "03-02 08:00", "03-02 12:00") for n in range(1, 7)],
        complaints=[
            complaint("K1", "O1", "03-02 12:00", final_rating=4, **turned),
            complaint("K2", "O2", "03-02 12:00", final_rating=3, **turned),
            # In limit to the second are 24 and 72 hours.
            complaint("K3", "O3", "03-02 11:59:59", final_rating=5, **turned),
            complaint("K4", "O3", "03-02 12:00", **turned),
            complaint("K5", "O4", "03-09 12:00"),
            complaint("K6", "O5", "03-09 12:00:01"),
            complaint("K7", "O6", "03-03 12:00", valid=None),
        ],
    )
    weights = {f"O{n}": the(found, "complaint_rate", f"O{n}").numerator for n in range(1, 6)}
    half, most = Decimal("0.5"), Decimal("0.75")
    assert weights == {"O1": half, "O2": most, "O3": 1, "O4": 1, "O5": 0}
    handling = {f"K{n}": the(found, "complaint_handling", f"K{n}").numerator for n in range(1, 6)}
    # 100 of 100; 80 of 100; 20 of 100; 80 of the 80 points known; 0 of 80.
    assert handling == {"K1": 100, "K2": 80, "K3": 20, "K4": 100, "K5": 0}
    assert the(found, "complaint_handling", "K6").reason == "received_late"
    # Undecided: neither a complaint nor none.
    rate = value_of(found, "complaint_rate")
    assert (rate.numerator, rate.n, rate.n_immature) == (Decimal("3.25"), 5, 1)
    assert value_of(found, "complaint_handling").raw_value == 60


@pytest.mark.parametrize(
    ("told", "points"),
    [
        (complaint("K1", "O1", "03-02 13:00", category="price"), 100),
        # A valid one whose 72 hours are not over.
        (complaint("K1", "O1", "03-03 12:00", resolved_at="03-03 13:00"), None),
    ],
)
def test_no_valid_complaint_is_full_marks_and_one_that_is_pending_is_not(
    scored: Scored, told: Row, points: int | None
) -> None:
    done = order("O1", "03-02 08:00", "03-02 12:00")
    found = scored(date(2026, 3, 4), work_orders=[done], complaints=[told])
    handling = value_of(found, "complaint_handling")
    assert (handling.points, handling.available) == (points, points is not None)


def test_records_anchored_before_their_feed_began_do_not_count(scored: Scored) -> None:
    found = scored(
        work_orders=[
            order("O1", "02-27 08:00", "02-28 23:59"),
            order("O2", "02-27 08:00", "03-01 00:00"),
        ],
        complaints=[complaint("K1", "O1", "03-05 12:00")],
    )
    assert the(found, "complaint_rate", "O1").reason == "before_feed_start"
    assert value_of(found, "complaint_rate").n == 1
    assert not value_of(found, "complaint_rate", FEBRUARY).available
    assert not value_of(found, "complaint_handling", FEBRUARY).available


def test_a_fault_is_minor_when_nobody_had_to_come_again(scored: Scored) -> None:
    found = scored(
        work_orders=[
            order("O1", "03-02 08:00", "03-02 12:00"),
            order("O2", "03-02 08:00", "03-02 12:00"),
            # To the second 7 days after completion.
            order("O3", "03-09 12:00", "03-09 15:00", appliance_serial="A-O2"),
        ],
        complaints=[complaint(f"K{n}", f"O{n}", "03-03 12:00") for n in (1, 2)],
    )
    assert [the(found, "minor_faults", f"O{n}").numerator for n in (1, 2, 3)] == [1, 0, 0]


def test_an_inspections_lost_points_are_a_part_of_one_failure(scored: Scored) -> None:
    found = scored(
        work_orders=[order("O1", "03-02 08:00", "03-02 12:00")],
        inspections=[
            inspected("I1", 36, 40),
            inspected("I2", 10, 20),
            inspected("I3", 0, 0),
            inspected("I4", 12, 10),
        ],
    )
    conformity = value_of(found, "inspection")
    assert (conformity.numerator, conformity.denominator, conformity.n) == (46, 60, 2)
    assert conformity.raw_value == Decimal("0.7666666667")
    # 14 of 60 points lost of two records: F = 2/60 * 14, E = 2 * .1, k = 20 * .1;
    # .1 * 2.466667 / 2.2 = .1121212; 80 * (.8878788 - .6) / .3.
    assert conformity.adjusted_value == Decimal("0.8878787879")
    assert conformity.points == Decimal("76.77")


# --- benchmarks ----------------------------------------------------------------------------------


def test_a_month_is_compared_with_what_was_mature_on_its_first_day(scored: Scored) -> None:
    """Thirty February orders of five technicians, and March's one."""
    february, claims = [], []
    for n in range(30):
        day, who = f"02-{n % 20 + 1:02}", f"T{n % 5}"
        arrived = f"{day} 09:{n:02}"
        february.append(
            order(f"F{n:02}", f"{day} 08:00", f"{day} 10:00", technician_id=who, arrived_at=arrived)
        )
        claims.append(claim(f"E{n}", day, str(n), order_id=f"F{n:02}", technician_id=who))
    # Approved on the second of March: not known on the first.
    late = {"technician_id": "T9", "order_id": "F19", "updated_at": "03-02 08:00"}
    claims.append(claim("L1", "02-20", "900", **late))
    march = order("M1", "03-03 08:00", "03-03 18:00", arrived_at="03-03 08:30")
    found = scored(
        work_orders=[*february, march],
        expenses=[*claims, claim("M1", "03-03", "29", order_id="M1")],
    )
    # (0 + … + 29) / 30.
    assert the(found, "travel_cost_index", "M1/T1").denominator == Decimal("14.5")
    # They took 31 to 60 minutes; 99 % of the way from the shortest to the longest is 59.71.
    assert the(found, "duration_index", "M1/T1").numerator == Decimal("59.71")
    assert the(found, "duration_index", "F00/T0").numerator == 60
    # No failure among thirty is held to a thousandth; February itself has only the policy.
    assert found.benchmarks.rate(MARCH, "on_time_24h", "repair|fridge|COOL") == Decimal("0.001")
    assert found.benchmarks.rate(FEBRUARY, "on_time_24h", "repair|fridge|COOL") == Decimal("0.1")


def test_benchmarks_of_a_period_published_before_are_read(policy: Path, tmp_path: Path) -> None:
    done = order("O1", "03-02 08:00", "03-02 12:00", arrived_at="03-02 11:00")
    deliver(tmp_path, "work_orders", END_OF_MARCH, [done])
    given = [
        {"kpi_code": "on_time_24h", "stratum": "repair|fridge", "rate": Decimal("0.2")},
        {"kpi_code": "on_time_24h", "stratum": "all", "rate": Decimal("0.25")},
        {"kpi_code": "duration_index", "stratum": "all", "low": Decimal(70), "high": Decimal(90)},
    ]
    given = [{"period_month": MARCH, **benchmark} for benchmark in given]
    found = score(tmp_path, policy, END_OF_MARCH, benchmarks=given)
    # .25 * (0 + 5) / (.2 + 5).
    assert value_of(found, "on_time_24h").adjusted_value == held(1 - Fraction(125, 520), 10)
    # Its 60 minutes are held to 70.
    assert value_of(found, "duration_index").numerator == 70


# --- the score -----------------------------------------------------------------------------------


def test_what_cannot_be_measured_gives_its_weight_to_its_family_then_to_the_others() -> None:
    weights = {
        "csat_top2": 30,
        "first_time_fix": 10,
        "inspection": 14,
        "on_time_24h": 12,
        "completion": 4,
        "response_time": 4,
        "workload_points": 16,
        "travel_cost_index": 5,
        "parts_cost_index": 5,
    }
    measured = ["csat_top2", "first_time_fix", "on_time_24h", "completion", "response_time"]

    def effective(*codes: str) -> list[Decimal]:
        values = {code: Value(weight=Decimal(w)) for code, w in weights.items()}
        for code in codes:
            values[code].available = True
        weigh(values)
        return [values[code].effective_weight for code in codes]

    # 54, 36 and 10 within their families; without cost, 90 are worth 100.
    with_cost = [Decimal(w) for w in ("40.5", "13.5", "21.6", "7.2", "7.2", "10")]
    assert effective(*measured, "travel_cost_index") == with_cost
    assert effective(*measured) == [45, 15, 24, 8, 8]


def test_a_rank_is_a_range() -> None:
    # The example of DECISIONS.md; who has few data is in nobody's way.
    a = Score(status="scored", score=Decimal("84.0"), half_width=3)
    b = Score(status="scored", score=Decimal("80.5"), half_width=2)
    c = Score(status="scored", score=Decimal("78.0"), half_width=2)
    d = Score(status="scored", score=Decimal(90), half_width=0.1, badge="few_data")
    rank({(MARCH, "A"): a, (MARCH, "B"): b, (MARCH, "C"): c, (MARCH, "D"): d})
    ranges = [(s.rank_low, s.rank_high) for s in (a, b, c, d)]
    assert ranges == [(1, 2), (1, 3), (2, 3), (None, None)]


def test_lines_add_up_and_the_oldest_events_take_what_rounding_leaves() -> None:
    # The example of DECISIONS.md: 27 of 30 completed at weight 4.
    events = [
        Record("completion", f"O{n}", f"O{n}", "T1", utc(f"03-0{n} 08:00"), date(2026, 3, n))
        for n in (3, 1, 2)
    ]
    value = Value(
        available=True,
        weight=Decimal(4),
        effective_weight=Decimal(4),
        counted=events,
        points=Decimal("53.33"),
        raw_points=Decimal("53.33"),
        contribution=Decimal("2.13"),
    )
    lines = explain(Score(), {"completion": value}, {"completion": (1, 2, 3)})
    points = {line.evidence_key: line.points for line in lines}
    assert points == {None: 400, "O1": -62, "O2": -62, "O3": -63}


def test_recognitions_are_points_one_per_customer_and_quarter_and_capped(scored: Scored) -> None:
    orders = [order(f"O{n:02}", "03-02 08:00", "03-02 12:00") for n in range(10)]
    found = scored(
        work_orders=orders,
        surveys=[survey(f"S{n}", f"O{n:02}", "03-02 13:00", "03-02 14:00") for n in range(10)],
        recognitions=[
            recognition(1, "03-05"),
            recognition(2, "03-06"),
            recognition(3, "03-07", customer_id=" c1"),
            recognition(4, "03-08", customer_id=None, order_id="O03"),
            recognition(5, "03-09", approved_by=None),
            recognition(6, "03-10", customer_id=None),
        ],
    )
    assert {r.recognition_id: r.reason for r in found.recognitions} == {
        "R1": None,
        "R2": None,
        "R3": "one_per_customer_and_quarter",
        "R4": None,
        "R5": "not_approved",
        "R6": "customer_unknown",
    }
    month = found.scores[MARCH, "T1"]
    assert (month.recognised, month.badge) == (5, None)
    contributions = [value_of(found, code).contribution or 0 for code in KPIS]
    assert month.score == sum(contributions) + 5
    lines = found.lines[MARCH, "T1"]
    assert sum(line.points for line in lines) == month.score * 100
    others = [(line.kind, line.points) for line in lines if line.kpi is None]
    assert others == [*[("recognition", 300)] * 3, ("cap", -400)]


def test_the_standard_error_of_an_adjusted_rate_is_that_worked_out_by_hand(
    scored: Scored,
) -> None:
    orders = [order(f"O{n:02}", "03-02 08:00", "03-02 12:00") for n in range(10)]
    answers = [
        survey(f"S{n}", f"O{n:02}", "03-02 13:00", "03-02 14:00", rating=5 if n else 1)
        for n in range(10)
    ]
    csat = value_of(scored(work_orders=orders, surveys=answers), "csat_top2")
    # F = 1, E = 10 * .15, k = 3: the failure rate is .15 * 4 / 4.5; 80 + 20 * .0166667 / .1.
    assert (csat.adjusted_value, csat.points) == (Decimal("0.8666666667"), Decimal("83.33"))
    # .15 * sqrt(4) / 4.5, on a line that rises by 20 points in .1.
    assert csat.standard_error == pytest.approx(0.15 * 2 / 4.5 * 200)
    # Nine of ten: (.9 + z²/20) / (1 + z²/10) and so on, z² = 3.841459.
    assert (round(csat.ci_low, 4), round(csat.ci_high, 4)) == (0.5958, 0.9821)


# --- reference and marts -------------------------------------------------------------------------


@pytest.fixture
def both(scored: Scored) -> tuple[Reference, dict[str, list[Row]]]:
    """A company, and marts that say exactly what the reference says."""
    found = scored(
        work_orders=[order(f"O{n:02}", "03-02 08:00", "03-02 12:00") for n in range(10)],
        surveys=[survey(f"S{n}", f"O{n:02}", "03-02 13:00", "03-02 14:00") for n in range(10)],
    )
    marts = {
        "fct_technician_kpis": [
            {"period_month": month, "technician_id": who, "kpi_code": code, **vars(value)}
            for (month, who, code), value in found.kpis.items()
        ],
        "fct_technician_scores": [
            {"period_month": month, "technician_id": who, **vars(month_score)}
            for (month, who), month_score in found.scores.items()
        ],
        "fct_score_lines": [
            {
                "period_month": month,
                "technician_id": who,
                "kpi_code": line.kpi,
                "line_kind": line.kind,
                "evidence_key": line.evidence_key,
                "points": line.points,
            }
            for (month, who), lines in found.lines.items()
            for line in lines
        ],
        "fct_kpi_events": [
            {
                "kpi_code": record.kpi,
                "record_key": record.key,
                "order_id": record.order_id,
                "technician_id": record.technician_id,
                "business_date": record.business_date,
                "eligible": record.is_eligible,
                "mature": found.company.has_happened(record.matured_at),
                "numerator": record.numerator,
                "denominator": record.denominator,
            }
            for record in found.records
        ],
    }
    assert all(marts.values())
    return found, copy.deepcopy(marts)


def test_marts_that_say_the_same_have_no_differences(both) -> None:
    found, marts = both
    assert differences(found, marts) == []
    assert disputed_records(found, marts, "on_time_24h") == []


KPI_COLUMNS = (
    "numerator",
    "denominator",
    "n",
    "n_immature",
    "raw_value",
    "adjusted_value",
    "points",
    "effective_weight",
    "contribution",
)
SCORE_COLUMNS = ("status", "score", "half_width", "rank_low", "rank_high", "badge")


@pytest.mark.parametrize(
    ("mart", "column", "name"),
    [
        *(("fct_technician_kpis", c, f"2026-03 T1 csat_top2 {c}") for c in KPI_COLUMNS),
        *(("fct_technician_scores", c, f"2026-03 T1 {c}") for c in SCORE_COLUMNS),
        ("fct_score_lines", "points", "2026-03 T1 csat_top2 full_marks  line"),
    ],
)
def test_every_number_that_differs_is_named(both, mart: str, column: str, name: str) -> None:
    found, marts = both
    spoilt = marts[mart][0]
    assert spoilt.get("kpi_code", "csat_top2") == "csat_top2"
    spoilt[column] = "poor" if isinstance(spoilt[column], str | None) else spoilt[column] + 1
    [difference] = differences(found, marts)
    assert difference.startswith(f"{name}: ")
    assert difference.endswith(" published")


def test_what_only_one_of_the_two_has_is_a_difference(both) -> None:
    found, marts = both
    marts["fct_technician_scores"][0]["technician_id"] = "T2"
    assert differences(found, marts) == [
        "2026-03 T1: not published",
        "2026-03 T2: published, but not in the reference",
    ]


def test_a_disputed_record_is_named(both) -> None:
    found, marts = both
    event = next(e for e in marts["fct_kpi_events"] if e["kpi_code"] == "on_time_24h")
    event["numerator"] = Decimal(0)
    assert disputed_records(found, marts, "on_time_24h") == [
        "on_time_24h O00 T1 2026-03-03: 0 of 1 published",
        "on_time_24h O00 T1 2026-03-03: 1 of 1 by the reference",
    ]
