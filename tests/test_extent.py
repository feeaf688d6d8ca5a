"""How far a night reaches: every cause has its consequences, and nothing else is written anew.

One company, small enough to say what each cause must change, has all of them in one night; what
comes of it is held against a rebuild, too.
"""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest
from fieldscore import night, publish, transform, warehouse
from fieldscore.errors import FieldscoreError
from nights import (
    STEPS,
    Site,
    at,
    deliver,
    expense,
    marts,
    open_night,
    order,
    pause,
    rows,
    run_night,
    run_of,
    silent,
    survey,
    take_steps,
    visit,
)
from test_equality import differences

FIRST, SECOND = date(2026, 1, 28), date(2026, 1, 29)

# 200 days before the second night.
JULY = "2025-07"

T3_CLAIMS = {"technician_id": "T3", "updated_at": at("22 09:00")}

BEFORE = {
    "work_orders": [
        order("ALONE", "05 09:00", "05 09:30", "05 15:00"),
        # Decided on the 29th at noon, when a week has passed.
        order("TIME", "22 09:00", "22 09:10", "22 12:00"),
        order("REPEATED", "24 09:00", "24 09:10", "24 12:00", technician_id="T2"),
        order("SHARED", "20 09:00", "20 09:10", "20 11:00", technician_id="T3"),
        order("CORRECTED", "12 09:00", "12 09:10", "12 15:00"),
        order("MOVED", "13 09:00", "13 09:10", "13 15:00"),
        order("PAUSED", "27 09:00", "27 09:10"),
        order("CHANGED", "27 10:00", "27 10:10"),
        order("OLD", "12 09:00", "12 09:10", "12 15:00", month=JULY),
        order("OLDER", "02 09:00", "02 09:10", "02 15:00", month=JULY),
    ],
    "surveys": [
        survey("OF_NOBODY", "LATE_PARENT", "23 16:00", "23 18:00", 5),
        {
            "survey_id": "OLDER", "order_id": "OLDER", "rating": 4,
            "sent_at": at("02 18:00", JULY), "answered_at": at("02 19:00", JULY),
            "updated_at": at("02 19:00", JULY),
        },
    ],
    "expenses": [
        expense("TRIP", 20, "90.00", trip_id="TR1") | T3_CLAIMS,
        expense("NOWHERE", 21, "10.00", trip_id="TR2") | T3_CLAIMS,
        expense("STRAYED", 8, "30.00", trip_id="TR1") | T3_CLAIMS,
        expense("ANOTHER", 14, "7.00", trip_id="TR3") | T3_CLAIMS,
        # Two that said first what is judged anew on the 29th, and one of the day of a divided trip.
        expense("RENAMED", 9, "3.00", order_id="CHANGED") | {"updated_at": at("27 12:00")},
        expense("RENAMED", 9, "3.00", order_id="OLDER") | {"updated_at": at("28 12:00")},
        expense("TURNED", 9, "4.00", order_id="CHANGED") | {"updated_at": at("27 12:00")},
        expense("TURNED", 9, "4.00", trip_id="TR4")
        | {"updated_at": at("28 12:00"), "incurred_on": "2025-07-02"},
        expense("BESIDE", 20, "5.00", order_id="OLDER") | T3_CLAIMS,
    ],
    "visits": [
        visit("V_MOVED", "MOVED", "13 10:00", "13 14:00"),
        visit("V_SHARED", "SHARED", "20 10:00", "20 11:00", technician_id="T3"),
    ],
    "pauses": [{**pause("P", "PAUSED", "27 10:00", "27 10:00", "customer"), "ended_at": None}],
    "technicians": [
        {"technician_id": name, "area_id": "A", "grade": "junior", "updated_at": at("01 08:00")}
        for name in ("T1", "T2", "T3")
    ],
    "areas": [
        {"area_id": "A", "name": "A", "time_zone": "Asia/Shanghai", "calendar_id": "standard"}
    ],
    "roster": [
        {"technician_id": f"T{n}", "work_date": f"2026-01-{day:02}", "available_minutes": 480}
        for n in (1, 2, 3)
        for day in (5, 12, 13, 15, 20)
    ],
}  # fmt: skip

AFTER = {
    "work_orders": [
        order("CHANGED", "27 10:00", "27 10:10", "29 11:00"),
        order("LATE_PARENT", "23 09:00", "23 09:10", "23 15:00"),
        order(
            "REPEAT", "28 09:00", "28 09:10", "29 12:00",
            appliance_serial="A-REPEATED", technician_id="T1",
        ),
        order("NAMES_T9", "29 09:00", "29 09:10", technician_id="T9"),
    ],
    "surveys": [
        {
            "survey_id": "LATE", "order_id": "OLD", "rating": 1, "updated_at": at("29 09:00"),
            "sent_at": at("13 09:00", JULY), "answered_at": at("14 09:00", JULY),
        },
    ],
    "expenses": [expense("NEW", 5, "1.00", status="submitted", order_id="NEVER_HEARD_OF")],
    "visits": [
        visit("V_MOVED", "MOVED", "13 10:00", "13 14:00", technician_id="T2")
        | {"updated_at": at("29 09:00")},
        visit("V_LATE", "NAMES_T9", "20 12:00", "20 13:00", technician_id="T3")
        | {"updated_at": at("29 09:00")},
        visit("V_FIRST", "NOWHERE_YET", "21 12:00", "21 13:00", technician_id="T3"),
    ],
    # The whole register, as companies send it: of T1 and T3 it says nothing new.
    "technicians": [
        *(row for row in BEFORE["technicians"] if row["technician_id"] != "T2"),
        {"technician_id": "T2", "area_id": "A", "grade": "expert", "updated_at": at("14 08:00")},
    ],
    "roster": [{"technician_id": "T1", "work_date": "2026-01-15", "available_minutes": 240}],
    "corrections": [
        {
            "correction_id": "K", "target_feed": "work_orders", "target_key": "CORRECTED",
            "field": "completed_at", "new_value": at("14 15:00"), "reason": "mistyped",
            "evidence_ref": "call", "decided_by": "chief", "decided_at": at("29 10:00"),
            "decision": "upheld",
        },
        {
            "correction_id": "K_CLAIM", "target_feed": "expenses", "target_key": "STRAYED",
            "field": "incurred_on", "new_value": "2026-01-20", "reason": "mistyped",
            "evidence_ref": "ticket", "decided_by": "chief", "decided_at": at("29 10:00"),
            "decision": "upheld",
        },
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    """The company with its first night published and its second delivered."""
    settings = site.clear()
    for day, deliveries in ((FIRST, BEFORE), (SECOND, AFTER)):
        for feed, records in deliveries.items():
            deliver(settings, feed, day, records)
    run_night(settings, FIRST)
    return site.keep("extent_first")


def state(settings) -> SimpleNamespace:
    """The marts, their events by KPI and record, and which transaction wrote each."""
    found = SimpleNamespace(marts=marts(settings))
    found.events = {
        (event["kpi_code"], event["record_key"]): event for event in found.marts["fct_kpi_events"]
    }
    found.written = {
        (row["kpi_code"], row["record_key"]): row["xmin"]
        for row in rows(
            settings, "select kpi_code, record_key, xmin::text from marts.fct_kpi_events"
        )
    }
    found.kpis = {
        (str(row["period_month"]), row["technician_id"], row["kpi_code"]): row
        for row in found.marts["fct_technician_kpis"]
    }
    return found


@pytest.fixture(scope="module")
def nights(site: Site, first: str) -> SimpleNamespace:
    """What the first night published, what the second made of it, and what a rebuild makes."""
    settings = site.go_back(first)
    before = state(settings)
    run_id = run_night(settings, SECOND)
    after = state(settings)
    touched = {row["order_id"] for row in rows(settings, "table intermediate.touched_orders")}
    audited = rows(settings, "select kpi_code, record_key from audit.fct_kpi_events")
    asked = "select day, technician_id from intermediate.{} where technician_id = 'T3'"
    days, trips = (
        {row["day"].day for row in rows(settings, asked.format(model)) if row["day"] < FIRST}
        for model in ("touched_available_days", "changed_trip_days")
    )
    site.keep("extent_second")
    night.rebuild(settings, SECOND, say=silent)
    return SimpleNamespace(
        before=before, after=after, rebuilt=state(settings), touched=touched,
        audited={(row["kpi_code"], row["record_key"]) for row in audited}, days=days, trips=trips,
        run=run_of(settings, run_id), first_run=run_of(settings, 1),
    )  # fmt: skip


def test_a_night_gives_what_a_rebuild_gives(nights) -> None:
    assert "nothing is published yet" in nights.first_run["rebuilt_because"]
    assert nights.run["rebuilt_because"] is None
    assert differences(nights.after.marts, nights.rebuilt.marts) == []


def test_what_has_no_part_in_it_is_not_even_looked_at(nights) -> None:
    assert not {"ALONE", "OLDER"} & nights.touched
    for key in nights.before.events:
        if key[1] in ("ALONE", "OLDER", "ALONE/T1", "OLDER/T1"):
            assert nights.after.written[key] == nights.before.written[key], key


def test_of_what_is_looked_at_only_what_differs_is_audited_and_written(nights) -> None:
    old, new = nights.before.events, nights.after.events
    differing = {key for key, event in new.items() if old.get(key) != event}
    same = [key for key in new.keys() - differing if new[key]["order_id"] in nights.touched]
    assert len(differing) > 10 and len(same) > 10
    assert nights.audited == differing
    assert {nights.after.written[key] == nights.before.written[key] for key in same} == {True}


def test_time_alone_decides_what_was_open(nights) -> None:
    key = ("first_time_fix", "TIME")
    assert nights.before.events[key]["mature"] is False
    assert nights.after.events[key]["mature"] is True


def test_a_changed_record_is_judged_anew(nights) -> None:
    key = ("on_time_24h", "CHANGED")
    assert (
        nights.before.events[key]["mature"] is False or not nights.before.events[key]["numerator"]
    )
    assert nights.after.events[key]["reason_code"] == "completed_late"


def test_a_survey_finds_the_order_that_came_after_it(nights) -> None:
    key = ("csat_top2", "OF_NOBODY")
    assert nights.before.events[key]["reason_code"] == "order_unknown"
    assert nights.after.events[key]["eligible"] is True


def test_a_repeat_reaches_the_order_it_repeats(nights) -> None:
    key = ("repeat_repair_7d", "REPEATED")
    assert nights.before.events[key]["evidence_ref"] is None
    assert nights.after.events[key]["evidence_ref"] == "REPEAT"


def test_a_late_visit_divides_its_trip_anew(nights) -> None:
    key = ("travel_cost_index", "SHARED/T3")
    assert nights.before.events[key]["numerator"] == 90
    # Half of what both claims of the trip cost, the one that strayed included.
    assert nights.after.events[key]["numerator"] == 60


def test_a_correction_moves_its_record(nights) -> None:
    key = ("jobs", "CORRECTED/T1")
    assert nights.before.events[key]["business_date"] == date(2026, 1, 12)
    assert nights.after.events[key]["business_date"] == date(2026, 1, 14)


def test_a_corrected_claim_reaches_the_trips_of_its_places_alone(nights) -> None:
    """Where it is now, a day either way, and others of where it was; not all he ever claimed."""
    assert nights.trips == {20, 21}


def test_a_claim_is_where_it_is_now(nights) -> None:
    """An order or a trip that an earlier version named does not make its own order unknown."""
    claims = {"RENAMED", "TURNED", "BESIDE"}
    for of in (nights.before, nights.after):
        assert of.events["travel_cost_index", "OLDER/T1"]["numerator"] == 7
        assert of.events["travel_cost_index", "OLDER/T3"]["numerator"] == 5
    assert not claims & {record for _, record in nights.after.events}


def test_a_register_delivered_again_asks_nobodys_days_anew(nights) -> None:
    assert nights.days <= {FIRST.day - 1, FIRST.day}


def test_an_open_pause_moves_the_due_time_every_night(nights) -> None:
    due = [
        {row["order_id"]: row["due_at"] for row in of.marts["fct_work_orders"]}["PAUSED"]
        for of in (nights.before, nights.after)
    ]
    assert (due[1] - due[0]).days == 1


def test_who_it_was_taken_from_loses_the_order_and_its_new_owner_gets_it(nights) -> None:
    assert nights.before.events["mttr_mean", "MOVED"]["technician_id"] == "T1"
    assert nights.after.events["mttr_mean", "MOVED"]["technician_id"] == "T2"
    cells = {
        (row["technician_id"], row["kpi_code"]): row["n"]
        for row in nights.after.marts["fct_kpi_days"]
        if row["business_date"] == date(2026, 1, 13)
    }
    assert cells["T2", "mttr_mean"] == 1
    assert ("T1", "mttr_mean") not in cells
    assert nights.after.kpis["2026-01-01", "T2", "mttr_mean"]["n"] == 2


def test_a_survey_of_200_days_ago_reaches_its_month(nights) -> None:
    key = ("2025-07-01", "T1", "csat_top2")
    assert nights.before.kpis[key]["n"] == 1
    assert (nights.after.kpis[key]["n"], nights.after.kpis[key]["numerator"]) == (2, 1)


def test_a_roster_and_a_grade_change_the_days_of_one_technician(nights) -> None:
    def day(of, name: str, kpi: str):
        return of.events[kpi, f"{name}/2026-01-15"]["denominator"]

    before, after = nights.before, nights.after
    assert (day(before, "T1", "utilisation"), day(after, "T1", "utilisation")) == (480, 240)
    assert day(before, "T2", "workload_points") != day(after, "T2", "workload_points")
    assert day(before, "T3", "workload_points") == day(after, "T3", "workload_points")
    key = ("workload_points", "T3/2026-01-15")
    assert before.written[key] == after.written[key]


def test_whom_only_a_new_record_names_is_known(nights) -> None:
    known = [
        {row["technician_id"] for row in of.marts["dim_technicians"]}
        for of in (nights.before, nights.after)
    ]
    assert known[1] - known[0] == {"T9"}


# --- nights that were killed ----------------------------------------------------------------------


def test_a_later_night_that_was_killed_leaves_nothing_in_an_earlier_one(
    site: Site, first: str, nights
) -> None:
    """It had everything staged, also what had not been delivered by the night that is run then."""
    settings = site.go_back(first)
    deliver(
        settings, "work_orders", date(2026, 1, 30),
        [order("MOVED", "13 09:00", "13 09:10", "13 16:00", technician_id="T3")
         | {"updated_at": at("30 09:00")}],
    )  # fmt: skip
    for feed in ("surveys", "expenses"):
        deliver(settings, feed, date(2026, 1, 30), AFTER[feed])
    run_id = open_night(settings, date(2026, 1, 30))
    take_steps(settings, run_id, date(2026, 1, 30), *STEPS[1 : STEPS.index("audit")])
    night.close_night(settings, run_id, say=silent)
    run_night(settings, SECOND)
    assert differences(marts(settings), nights.after.marts) == []


def test_after_a_crash_of_the_server_the_night_is_not_published(site: Site, first: str) -> None:
    settings = site.go_back(first)
    run_id = open_night(settings, SECOND)
    take_steps(settings, run_id, SECOND, *STEPS[1 : STEPS.index("score")])
    with warehouse.connect(settings) as connection:
        connection.execute("truncate ops.alive")  # as a crash does
        with pytest.raises(FieldscoreError, match=r"crashed since run .* Run the night again"):
            publish.publish(
                connection, transform.manifest(settings), run_id, lambda _: None, say=silent
            )
    with pytest.raises(FieldscoreError, match="crashed since run"):
        take_steps(settings, run_id, SECOND, "score")


# --- what makes everything anew -------------------------------------------------------------------


def because(settings) -> str | None:
    """Why the second night would make everything anew, as staging finds out."""
    run_id = open_night(settings, SECOND)
    take_steps(settings, run_id, SECOND, *STEPS[1 : STEPS.index("score")])
    run = run_of(settings, run_id)
    night.close_night(settings, run_id, say=silent)
    return run["rebuilt_because"]


def test_other_code_policy_or_declarations_make_everything_anew(
    site: Site, first: str, monkeypatch
) -> None:
    settings = site.go_back(first)
    monkeypatch.setattr(night, "code_version", lambda: "another")
    declaration = settings.feeds / "surveys.yml"
    declaration.write_text(declaration.read_text() + 'null_tokens: ["nothing"]\n')
    assert because(settings) == "models, policy or code changed; a declaration reads differently"


def test_what_an_unpublished_night_staged_otherwise_is_made_anew(
    site: Site, first: str, nights
) -> None:
    """Its declarations were taken back; all of its records are staged as they had it read."""
    settings = site.go_back(first)
    declaration = settings.feeds / "work_orders.yml"
    text = declaration.read_text()
    declaration.write_text(text + "values: {status: {completed: cancelled}}\n")
    assert because(settings) == "a declaration reads differently"
    declaration.write_text(text)
    run_night(settings, SECOND)
    with warehouse.connect(settings) as connection:
        told = connection.execute("select rebuilt_because from ops.runs order by run_id desc")
        assert told.fetchone() == (
            "a declaration reads differently in a night that was not published",
        )
    assert differences(marts(settings), nights.after.marts) == []


def test_another_zone_of_an_area_or_start_of_a_feed_makes_everything_anew(
    site: Site, first: str
) -> None:
    settings = site.go_back(first)
    area = {"area_id": "A", "name": "A", "time_zone": "Asia/Urumqi", "calendar_id": "standard"}
    deliver(settings, "areas", SECOND, [area])
    early = order("FIRST", "02 09:00", "02 10:00", month="2024-01")
    deliver(settings, "work_orders", SECOND, [early])
    assert because(settings) == (
        "time zone or calendar changed of the areas A; a feed counts from another day"
    )
