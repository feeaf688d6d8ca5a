"""The sample company: repeatable to the byte, believable in its numbers, dirty where it says so."""

import csv
import gzip
import hashlib
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fieldscore import sample_company
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError
from fieldscore.sample_company import dirty_rows, generate, truth
from fieldscore.sample_company.chance import chance

YEAR = {"technicians": 80, "months": 14}
SMALL = {"technicians": 16, "months": 2, "until": date(2026, 3, 9), "nights": 3}
CORE = ("work_orders", "surveys", "expenses")
PEOPLE = ("technicians", "areas")
# The other feeds, with the handbook's columns.
OPTIONAL = {
    "visits": (
        "visit_id,order_id,technician_id,role,slot_start,slot_end,departed_at,arrived_at,left_at,"
        "outcome,diagnosis_recorded,updated_at"
    ),
    "pauses": "pause_id,order_id,started_at,ended_at,reason,owner,evidence_ref,entered_at",
    "complaints": (
        "complaint_id,order_id,received_at,category,valid,responded_at,resolved_at,final_rating,"
        "evidence_ref,updated_at"
    ),
    "inspections": (
        "inspection_id,order_id,inspected_at,item,points_possible,points_earned,evidence_ref"
    ),
    "parts": (
        "part_line_id,order_id,technician_id,part_no,quantity_taken,quantity_used,"
        "quantity_returned,unit_cost,updated_at"
    ),
    "recognitions": (
        "recognition_id,technician_id,order_id,customer_id,kind,occurred_on,evidence_ref,"
        "approved_by"
    ),
    "training": "training_id,technician_id,course,held_on,attended,score_before,score_after",
    "roster": "technician_id,work_date,available_minutes",
    "corrections": (
        "correction_id,target_feed,target_key,field,new_value,reason,evidence_ref,requested_by,"
        "decided_by,decided_at,decision"
    ),
}
FEEDS = (*CORE, *OPTIONAL)
NUMBERS = {
    *("version", "rating", "recommend", "amount", "kilometres", "base_pay", "final_rating"),
    *("points_possible", "points_earned", "quantity_taken", "quantity_used", "quantity_returned"),
    *("unit_cost", "score_before", "score_after", "available_minutes"),
}
SHANGHAI = "Asia/Shanghai"


def _generate(landing: Path, **arguments) -> Path:
    return generate(landing, progress=lambda _: None, **arguments)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def _files(landing: Path) -> dict[str, bytes]:
    return {str(p.relative_to(landing)): p.read_bytes() for p in landing.rglob("*") if p.is_file()}


def _deliveries(landing: Path, feed: str) -> dict[date, Path]:
    folders = sorted((landing / feed).iterdir())
    assert folders
    return {date.fromisoformat(folder.name): next(folder.iterdir()) for folder in folders}


def _rows(landing: Path, feed: str) -> pl.DataFrame:
    """Every row of a feed, moments typed (UTC), with the date it was delivered."""
    frames = [
        pl.read_csv(path, infer_schema=False).with_columns(delivered=pl.lit(delivered))
        for delivered, path in _deliveries(landing, feed).items()
    ]
    return pl.concat(frames).with_columns(
        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%:z").cast(pl.Datetime("us", "UTC"))
        if name.endswith("_at") or name in ("slot_start", "slot_end")
        else pl.col(name).cast(pl.Float64 if name in NUMBERS else pl.String)
        for name in frames[0].columns
        if name != "delivered"
    )


def _last(rows: pl.DataFrame) -> pl.DataFrame:
    """The last row delivered of each key, the rows being in the order of their delivery."""
    key = rows.columns[: 2 if "work_date" in rows.columns else 1]
    return rows.group_by(key, maintain_order=True).last()


@pytest.fixture(scope="module")
def year(tmp_path_factory) -> Path:
    """Fourteen months of a clean company of 80."""
    return _generate(tmp_path_factory.mktemp("year") / "landing", **YEAR, dirty=False)


@pytest.fixture(scope="module")
def rows(year) -> dict[str, pl.DataFrame]:
    """All rows of that company, by feed."""
    return {feed: _rows(year, feed) for feed in (*FEEDS, *PEOPLE)}


@pytest.fixture(scope="module")
def versions(rows) -> pl.DataFrame:
    assert len(rows["work_orders"]) > 100_000
    return rows["work_orders"].sort("order_id", "version")


@pytest.fixture(scope="module")
def orders(versions) -> pl.DataFrame:
    """Each order's last version, with the completion that came first."""
    first = pl.col("completed_at").drop_nulls().first()
    return versions.group_by("order_id", maintain_order=True).agg(
        pl.exclude("order_id").last(), first_completed_at=first
    )


@pytest.fixture(scope="module")
def surveys(rows) -> pl.DataFrame:
    """Each survey's last version."""
    return _last(rows["surveys"])


@pytest.fixture(scope="module")
def expenses(rows) -> pl.DataFrame:
    """Each claim's last version."""
    return _last(rows["expenses"])


@pytest.fixture(scope="module")
def visits(rows) -> pl.DataFrame:
    """Each visit's newest version."""
    return _last(rows["visits"].sort("updated_at", maintain_order=True))


@pytest.fixture(scope="module")
def complaints(rows) -> pl.DataFrame:
    """Each complaint's newest version."""
    return _last(rows["complaints"].sort("updated_at", maintain_order=True))


@pytest.fixture(scope="module")
def parts(rows) -> pl.DataFrame:
    """Each parts line's newest version."""
    return _last(rows["parts"].sort("updated_at", maintain_order=True))


# --- deliveries


def test_history_comes_by_the_month_and_the_last_nights_one_by_one(tmp_path):
    landing = _generate(tmp_path / "landing", **SMALL)
    history = [date(2026, 2, 28), date(2026, 3, 6)]
    nights = [date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)]
    for feed in FEEDS:
        names = [f"{feed}.csv.gz"] * 2 + [f"{feed}.csv"] * 3
        found = _deliveries(landing, feed)
        assert list(found) == history + nights
        assert [path.name for path in found.values()] == names
    for feed in PEOPLE:
        assert list(_deliveries(landing, feed)) == history + nights
    assert {path.name for path in landing.iterdir()} == {*FEEDS, *PEOPLE, ".sample_company.json"}


def test_every_column_is_canonical_and_none_that_must_be_present_is_missing(year):
    headers = {
        feed: {_text(path).splitlines()[0] for path in _deliveries(year, feed).values()}
        for feed in (*FEEDS, *PEOPLE)
    }
    for feed in (*CORE, *PEOPLE):
        columns = canonical_feeds()[feed].columns
        [header] = headers[feed]
        assert set(header.split(",")) <= set(columns)
        assert {c.name for c in columns.values() if c.present} <= set(header.split(","))
    assert {feed: headers[feed] for feed in OPTIONAL} == {f: {c} for f, c in OPTIONAL.items()}


def test_every_value_is_one_the_feed_accepts_and_all_of_them_occur(rows):
    for feed, delivered in rows.items():
        canonical = canonical_feeds().get(feed)
        for column in canonical.columns.values() if canonical else ():
            if column.name not in delivered.columns:
                continue
            values = delivered[column.name].drop_nulls()
            if column.key or column.filled:
                assert len(values) == len(delivered), (feed, column.name)
            if column.values:
                assert set(values) == set(column.values), (feed, column.name)
            if column.least is not None:
                assert values.cast(float).min() >= column.least, (feed, column.name)
            if column.most is not None:
                assert values.max() <= column.most, (feed, column.name)


def test_the_optional_feeds_speak_the_handbooks_words_and_use_all_of_them(rows):
    words = {
        ("visits", "role"): {"lead", "assistant"},
        ("visits", "outcome"): {"fixed", "diagnosed", "parts_needed", "no_access", "refused"},
        ("visits", "diagnosis_recorded"): {"true", "false"},
        ("pauses", "owner"): {"customer", "parts", "company", "third_party", "technician"},
        ("complaints", "category"): {"technician", "product", "price", "dispatch"},
        ("complaints", "valid"): {"true", "false"},
        ("complaints", "final_rating"): {1, 2, 3, 4, 5},
        ("inspections", "item"): {"running_test", "conduct", "safety", "paperwork"},
        ("recognitions", "kind"): {
            *("praise", "referral", "new_business", "repeat_purchase", "social_mention")
        },
        ("training", "attended"): {"true", "false"},
        ("corrections", "target_feed"): {"work_orders", "surveys", "expenses"},
        ("corrections", "decision"): {"upheld", "rejected"},
    }
    for (feed, column), expected in words.items():
        assert set(rows[feed][column].drop_nulls()) == expected, (feed, column)
    always = {
        "visits": ("visit_id", "order_id", "technician_id", "role", "departed_at", "updated_at"),
        "pauses": ("pause_id", "order_id", "started_at", "owner", "entered_at"),
        "complaints": ("complaint_id", "order_id", "received_at", "category", "updated_at"),
        "inspections": ("inspection_id", "order_id", "inspected_at", "points_possible"),
        "parts": ("part_line_id", "order_id", "technician_id", "unit_cost", "updated_at"),
        "recognitions": ("recognition_id", "technician_id", "kind", "occurred_on"),
        "training": ("training_id", "technician_id", "course", "held_on", "attended"),
        "roster": ("technician_id", "work_date", "available_minutes"),
        "corrections": ("correction_id", "target_feed", "target_key", "field", "new_value"),
    }
    assert always.keys() == OPTIONAL.keys()
    for feed, columns in always.items():
        assert rows[feed].select(columns).null_count().sum_horizontal().item() == 0, feed


def test_nothing_is_told_before_it_happened(rows):
    happened = {
        "visits": ("departed_at", "arrived_at", "left_at"),
        "complaints": ("received_at", "responded_at", "resolved_at"),
        "pauses": ("started_at", "ended_at", "entered_at"),
        "inspections": ("inspected_at",),
        "recognitions": ("occurred_on",),
        "training": ("held_on",),
        "corrections": ("decided_at",),
    }
    for feed, columns in happened.items():
        for column in columns:
            day = pl.col(column).str.to_date()
            if column.endswith("_at"):
                day = pl.col(column).dt.convert_time_zone(SHANGHAI).dt.date()
            told = rows[feed].select("delivered", day=day).drop_nulls()
            assert len(told) > 50
            assert (told["day"] <= told["delivered"]).all(), (feed, column)
            if "updated_at" in rows[feed].columns:
                late = rows[feed].filter(pl.col(column) > pl.col("updated_at"))
                assert late.is_empty(), (feed, column)


def test_a_file_holds_what_came_to_be_since_the_delivery_before(rows):
    came = pl.col("updated_at").dt.convert_time_zone(SHANGHAI).dt.date()
    for feed in (*CORE, "visits", "complaints", "parts"):
        dates = sorted(rows[feed]["delivered"].unique())
        assert len(dates) == 17
        for before, delivered in pairwise([date(2025, 1, 31), *dates]):
            days = rows[feed].filter(delivered=delivered).select(came).to_series()
            assert days.is_sorted()
            assert before < days.min() <= days.max() <= delivered


def test_a_technicians_delivery_lists_everybody_as_of_its_date(tmp_path):
    landing = _generate(tmp_path / "landing", technicians=200, months=2)
    rows = _rows(landing, "technicians")
    people = rows.group_by("delivered").agg(pl.col("technician_id").n_unique()).sort("delivered")
    assert people["technician_id"].is_sorted()
    last = rows.filter(delivered=date(2026, 3, 9))
    assert set(last["technician_id"]) == {person["technician_id"] for person in truth(200, 1)}
    assert set(last["grade"]) == {"junior", "senior", "expert"}
    versions = rows.select(pl.exclude("delivered")).unique()
    assert (versions["hired_on"] > "2026-02-01").any()
    for column in ("area_id", "grade", "left_on"):  # somebody moves, is promoted, leaves
        assert versions.group_by("technician_id").agg(pl.col(column).n_unique())[column].max() == 2


# --- the same everywhere and always


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path):
    one, two, other = (
        _files(_generate(tmp_path / name, **SMALL, seed=seed))
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    assert one == two
    assert one.keys() == other.keys()
    different = {name for name in one if one[name] != other[name]}
    assert {name.split("/")[0] for name in different} >= {*FEEDS, "technicians"}


@pytest.mark.parametrize(
    ("feeds", "expected"),
    [
        ((*CORE, *PEOPLE), "cd8e227c3fb4f43f98d8bdc0b3a3b4c641a618bf40259eef3d0ccf3a4e9ee473"),
        (OPTIONAL, "1be1c4519d23542e25a633cece37d0858cc5d499dbafefdc1a6f8654114998df"),
    ],
    ids=["core", "optional"],
)
def test_the_text_is_the_one_it_always_was_on_every_machine(tmp_path, feeds, expected):
    """Change a digest only with the company; a difference between machines is a fault."""
    landing = _generate(tmp_path / "landing", **SMALL)
    digest = hashlib.sha256()
    for path in sorted(landing.rglob("*.csv*")):
        if path.relative_to(landing).parts[0] in feeds:
            digest.update(_text(path).encode())
    assert digest.hexdigest() == expected


def test_chance_depends_on_seed_question_and_subject_alone_and_is_even():
    whom = np.arange(100_000)
    draws = chance(1, "question", whom)
    assert (draws[5_000:] == chance(1, "question", whom[5_000:])).all()
    assert abs(np.histogram(draws, 10, (0, 1))[0] - 10_000).max() < 400
    for other in (chance(2, "question", whom), chance(1, "another", whom), draws[::-1]):
        assert abs(np.corrcoef(draws, other)[0, 1]) < 0.02
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.02


# --- orders


def test_versions_count_up_from_one_and_their_moments_with_them(versions):
    each = pl.col("order_id")
    number = pl.int_range(1, pl.len() + 1).over("order_id")
    assert versions.filter(pl.col("version") != number).is_empty()
    since = pl.col("updated_at").diff().over(each)
    assert versions.filter(since <= timedelta(0)).is_empty()
    assert 2 < len(versions) / versions["order_id"].n_unique() < 3.2


def test_an_orders_moments_follow_each_other_and_none_is_told_before_it_came(versions):
    moments = ("reported_at", "assigned_at", "accepted_at", "arrived_at", "completed_at")
    for before, after in pairwise(moments):
        assert versions.filter(pl.col(before) > pl.col(after)).is_empty(), (before, after)
    for moment in (*moments, "cancelled_at"):
        assert versions[moment].drop_nulls().len() > 100
        assert versions.filter(pl.col(moment) > pl.col("updated_at")).is_empty(), moment
    assert versions.filter(pl.col("slot_end") <= pl.col("slot_start")).is_empty()


def test_a_status_comes_with_what_it_means(versions):
    def having(column: str) -> set[str]:
        return set(versions.filter(pl.col(column).is_not_null())["status"])

    assert having("completed_at") == {"completed"}
    assert having("cancelled_at") == having("cancel_cause") == {"cancelled"}
    assert having("resolution") == {"completed"}
    missing = versions.filter(status="completed")["completed_at"].null_count()
    assert missing == versions.filter(status="cancelled")["cancelled_at"].null_count() == 0
    assert (
        versions.filter(pl.col("technician_id").is_null())["status"]
        .is_in(["open", "cancelled"])
        .all()
    )


def test_every_kind_of_life_is_lived(versions, orders):
    each = versions.group_by("order_id")
    hands = each.agg(pl.col("technician_id").drop_nulls().n_unique())["technician_id"]
    assert 0.02 < (hands > 1).mean() < 0.06
    reopened = orders.filter(pl.col("first_completed_at") < pl.col("completed_at"))
    assert 0.005 < len(reopened) / len(orders) < 0.02
    corrected = orders.filter(pl.col("first_completed_at") > pl.col("completed_at"))
    assert 0.001 < len(corrected) / len(orders) < 0.01
    cancelled = orders.filter(status="cancelled")
    assert 0.04 < len(cancelled) / len(orders) < 0.08
    assert 0.1 < cancelled["arrived_at"].is_not_null().mean() < 0.3
    assert 0.02 < orders["appliance_serial"].null_count() / len(orders) < 0.04
    assert orders["follow_up_of"].drop_nulls().is_in(orders["order_id"].implode()).all()
    assert orders["follow_up_of"].drop_nulls().len() > 100
    wished = orders.filter(
        (pl.col("slot_requested_by") == "customer")
        & (pl.col("slot_start") - pl.col("reported_at") > timedelta(days=1))
    )
    assert 0.03 < len(wished) / len(orders) < 0.15
    changed = each.agg(pl.col("fault_code").drop_nulls().n_unique())["fault_code"]
    assert 0.01 < (changed > 1).mean() < 0.04


def test_demand_follows_the_seasons(orders):
    month = pl.col("reported_at").dt.strftime("%Y-%m")
    per_month = orders.group_by(month.alias("month"), "appliance_category").len()

    def orders_in(month: str, category: str | None = None) -> int:
        rows = per_month.filter(month=month)
        return (rows.filter(appliance_category=category) if category else rows)["len"].sum()

    assert orders_in("2025-07") > 1.3 * orders_in("2025-04")
    assert orders_in("2025-07", "air_conditioner") > 2 * orders_in("2025-11", "air_conditioner")
    assert orders_in("2026-01", "water_heater") > 1.5 * orders_in("2025-07", "water_heater")
    hour = orders["reported_at"].dt.convert_time_zone("Asia/Shanghai").dt.hour()
    assert hour.is_between(8, 20).mean() > 0.8


def test_orders_are_done_about_as_fast_as_in_a_decent_company(orders):
    until = orders["updated_at"].max()
    hours = (pl.col("first_completed_at") - pl.col("reported_at")).dt.total_minutes() / 60
    due = orders.filter(
        pl.col("status") != "cancelled", pl.col("reported_at") < until - timedelta(days=1)
    )
    by_month = due.group_by(pl.col("reported_at").dt.strftime("%Y-%m").alias("month")).agg(
        on_time=(hours <= 24).fill_null(False).mean()
    )
    on_time = dict(by_month.iter_rows())
    assert 0.75 < due.select((hours <= 24).fill_null(False).mean()).item() < 0.9
    assert on_time["2025-07"] < on_time["2025-04"]  # the queues of the summer
    old = orders.filter(
        (pl.col("status") != "cancelled") | (pl.col("cancel_cause") == "technician"),
        pl.col("reported_at") < until - timedelta(days=7),
    )
    assert 0.94 < old.select((hours <= 168).fill_null(False).mean()).item() < 0.98


def test_nobody_visits_a_customer_at_night_by_the_clock_of_his_area(rows, orders):
    """Across daylight saving, which began in New York in the middle of the last nights."""
    zones = dict(rows["areas"].select("area_id", "time_zone").unique().iter_rows())
    assert {"Asia/Shanghai", "Asia/Urumqi", "America/New_York"} <= set(zones.values())
    for area_id, zone in zones.items():
        arrived = orders.filter(area_id=area_id)["arrived_at"].drop_nulls()
        clock = arrived.dt.convert_time_zone(zone).dt.strftime("%H:%M")
        assert clock.min() >= "08:00" and clock.max() < "20:00", (area_id, clock.min(), clock.max())
        days = arrived.dt.convert_time_zone(zone).dt.date().unique()
        assert {date(2026, 3, 7), date(2026, 3, 8)} <= set(days), area_id


# --- surveys and expenses


def test_customers_answer_as_customers_do(surveys, orders):
    completed = orders.filter(status="completed")
    assert surveys["order_id"].is_in(completed["order_id"].implode()).mean() > 0.99
    assert surveys["order_id"].n_unique() / len(completed) > 0.8
    answered = surveys.filter(pl.col("answered_at").is_not_null())
    assert 0.35 < len(answered) / len(surveys) < 0.45
    assert 0.75 < (answered["rating"] >= 4).mean() < 0.92
    delay = answered["answered_at"] - answered["sent_at"]
    assert 0.01 < (delay > timedelta(days=7)).mean() < 0.06
    assert 0.001 < (delay < timedelta(seconds=3)).mean() < 0.02
    assert 0 < answered["rating"].null_count() / len(answered) < 0.02
    assert 0 < (answered["respondent_id"] == "STAFF-01").sum() < 0.02 * len(answered)
    assert surveys["order_id"].n_unique() < len(surveys)  # some are asked twice
    low = answered.filter(pl.col("rating") <= 3)["reason"].value_counts()
    assert {"price", "product", "dispatch", "technician"} <= set(low["reason"])
    assert answered["comment"].drop_nulls().str.contains('[,"]').any()


def test_some_customers_change_their_answer(rows):
    answers = rows["surveys"].filter(pl.col("rating").is_not_null())
    assert 20 < len(answers) - answers["survey_id"].n_unique() < 0.05 * len(answers)


def test_claims_are_for_visits_and_a_trip_is_claimed_once(rows, expenses, orders):
    travel = expenses.filter(kind="travel")
    visited = orders.filter(pl.col("arrived_at").is_not_null())
    by_order = travel.filter(pl.col("order_id").is_not_null())
    by_trip = travel.filter(pl.col("trip_id").is_not_null())
    assert len(by_order) + len(by_trip) == len(travel)
    assert by_order["order_id"].is_in(visited["order_id"].implode()).mean() > 0.98  # others open
    assert by_trip["trip_id"].n_unique() == len(by_trip) > 500
    zone = pl.col("arrived_at").dt.convert_time_zone("Asia/Shanghai").dt.date().cast(pl.String)
    trips = visited.filter(pl.col("area_id") == "A01").select("technician_id", incurred_on=zone)
    claimed = trips.join(by_trip, on=["technician_id", "incurred_on"], how="semi")
    assert 0.08 < len(claimed) / len(trips) < 0.16
    assert 0.15 < len(by_order) / len(visited) < 0.22
    versions = rows["expenses"]
    assert versions.select("expense_id", "status").is_duplicated().sum() == 0
    assert (versions["currency"] == "CNY").all()
    states = expenses["status"].value_counts(normalize=True)
    assert 0.85 < states.filter(status="approved")["proportion"].item() < 0.95


# --- what else is recorded of an order


def test_a_visit_ends_as_its_order_does(visits, orders):
    leads = visits.filter(role="lead").join(orders, on="order_id", suffix="_order")
    assert len(leads) == (visits["role"] == "lead").sum() > 50_000
    lasts = leads.sort("departed_at").group_by("order_id", maintain_order=True).last()
    ends = {
        ("completed", "fixed"): "fixed",
        ("completed", "no_fault_found"): "diagnosed",
        ("completed", "user_education"): "diagnosed",
        ("completed", "irreparable"): "diagnosed",
        ("completed", "quote_refused"): "refused",
    }
    for (status, resolution), outcome in ends.items():
        found = lasts.filter(status=status, resolution=resolution)
        told = found["outcome"].drop_nulls().value_counts(normalize=True)
        assert len(found) > 200
        assert told.filter(outcome=outcome)["proportion"].item() > 0.98, resolution
    cancelled = lasts.filter(pl.col("arrived_at").is_not_null(), status="cancelled")
    outcome = (
        pl.when(cancel_cause="customer").then(pl.lit("refused")).otherwise(pl.lit("diagnosed"))
    )
    assert len(cancelled) > 500
    assert (cancelled["outcome"].drop_nulls() == cancelled.select(outcome).to_series()).all()
    # A remote fix has no visit.
    remote = orders.filter(resolution="remote_fix")
    assert len(remote) > 2_000
    assert remote.join(visits, on="order_id", how="semi").is_empty()


def test_the_moments_of_visits_are_their_orders(visits, orders):
    leads = visits.filter(role="lead").join(orders, on="order_id", suffix="_order")
    real = leads.filter(pl.col("outcome") != "no_access").sort("departed_at")
    firsts = real.group_by("order_id", maintain_order=True).first()
    assert (firsts["arrived_at"] == firsts["arrived_at_order"]).all()
    once = real.filter(
        pl.len().over("order_id") == 1,
        pl.col("left_at").is_not_null() & pl.col("first_completed_at").is_not_null(),
    )
    assert len(once) > 40_000
    assert (once["left_at"] == once["first_completed_at"]).mean() > 0.97
    assert visits.filter(pl.col("departed_at") > pl.col("arrived_at")).is_empty()
    assert visits.filter(pl.col("arrived_at") > pl.col("left_at")).is_empty()
    own = (leads["technician_id"] == leads["technician_id_order"]).mean()
    assert 0.98 < own < 1  # a colleague is there for some second visits


def test_who_lacks_a_part_diagnoses_and_comes_again(visits, orders):
    leads = visits.filter(role="lead").sort("departed_at")
    lacking = leads.filter(outcome="parts_needed")
    assert 0.05 < len(lacking) / len(orders) < 0.09
    assert 0.88 < (lacking["diagnosis_recorded"] == "true").mean() < 0.96
    again = lacking.join(leads, on="order_id", suffix="_again").filter(
        pl.col("departed_at_again") > pl.col("left_at")
    )
    done = orders.join(lacking, on="order_id", how="semi").filter(
        pl.col("first_completed_at").is_not_null()
    )
    assert set(done["order_id"]) <= set(again["order_id"])
    assert set(again["outcome_again"]) - {None} == {"fixed", "diagnosed"}
    assert (again["outcome_again"] == "fixed").mean() > 0.9
    days = (again["departed_at_again"] - again["left_at"]).dt.total_hours() / 24
    assert 1.5 < days.median() < 5


def test_who_finds_nobody_at_home_comes_again_and_some_are_called_back(visits, orders):
    leads = visits.filter(role="lead")
    missed = leads.filter(outcome="no_access")
    assert 0.005 < len(missed) / len(orders) < 0.04
    again = missed.join(leads, on="order_id", suffix="_again").filter(
        pl.col("arrived_at_again") > pl.col("left_at")
    )
    assert again["order_id"].n_unique() == len(missed)
    called_back = leads.filter(pl.col("arrived_at").is_null()).join(orders, on="order_id")
    assert 0.002 < len(called_back) / len(orders) < 0.02
    assert set(called_back["status"]) == {"cancelled"}
    assert (called_back["departed_at"] < called_back["cancelled_at"]).all()
    assert called_back["outcome"].is_null().all()


def test_assistants_come_along_to_some_heavy_jobs(visits, orders):
    assistants = visits.filter(role="assistant")
    both = assistants.join(visits.filter(role="lead"), on="order_id", suffix="_lead").filter(
        pl.col("visit_id") == pl.col("visit_id_lead") + "A"
    )
    assert len(both) == len(assistants)
    assert 0.01 < len(assistants) / len(orders) < 0.06
    assert (both["technician_id"] != both["technician_id_lead"]).all()
    told = both.drop_nulls(["left_at", "left_at_lead"])
    minutes = (told["left_at"] - told["arrived_at"]).dt.total_minutes()
    assert (told["arrived_at"] >= told["arrived_at_lead"]).all()
    assert (told["left_at"] < told["left_at_lead"] + timedelta(minutes=10)).all()
    assert minutes.median() > 30
    services = both.join(orders, on="order_id")["service_type"]
    assert set(services) == {"repair", "install"}


def test_some_visits_are_never_told_and_some_are_put_right(rows, visits, orders):
    visited = orders.filter(pl.col("arrived_at").is_not_null())
    untold = visited.join(visits, on="order_id", how="anti")
    assert 0.01 < len(untold) / len(visited) < 0.03
    versions = (
        rows["visits"]
        .group_by("visit_id")
        .agg(pl.len(), pl.col("outcome").n_unique(), pl.col("left_at").drop_nulls().n_unique())
    )
    assert 0.01 < (versions["len"] == 2).mean() < 0.04
    assert versions["len"].max() == 2
    assert (versions["outcome"] == 2).sum() > 300
    assert (versions["left_at"] == 2).sum() > 300
    long_ago = pl.col("arrived_at") < orders["updated_at"].max() - timedelta(days=3)
    never = visits.filter(long_ago & pl.col("left_at").is_null())
    assert set(never.join(orders, on="order_id")["status"]) == {"in_progress", "open"}
    assert len(never) > 300


def test_pauses_are_opened_closed_and_left_open(rows, visits, orders):
    pauses = _last(rows["pauses"])
    assert 0.1 < pauses["order_id"].n_unique() / len(orders) < 0.3
    assert pauses.filter(pl.col("ended_at") <= pl.col("started_at")).is_empty()
    versions = rows["pauses"].group_by("pause_id", maintain_order=True).agg(pl.col("ended_at"))
    closed = versions.filter(pl.col("ended_at").list.len() == 2)
    assert len(closed) > 5_000
    assert closed["ended_at"].list.first().is_null().all()
    assert closed["ended_at"].list.last().is_not_null().all()
    open_pauses = pauses.filter(pl.col("ended_at").is_null())
    assert 50 < len(open_pauses) < 0.05 * len(pauses)
    owners = dict(pauses["owner"].value_counts(normalize=True).iter_rows())
    assert owners["parts"] > 0.2 and owners["customer"] > 0.2
    assert min(owners.values()) > 0.02
    # Two pauses of one order at the same time, an own one and an excused one among them.
    both = pauses.join(pauses, on="order_id", suffix="_other").filter(
        pl.col("started_at") < pl.col("started_at_other"),
        pl.col("started_at_other") < pl.col("ended_at"),
    )
    assert len(both) > 500
    assert (
        len(
            both.filter(
                (pl.col("owner") == "technician") != (pl.col("owner_other") == "technician")
            )
        )
        > 10
    )
    # For parts between the two visits.
    first = visits.filter(outcome="parts_needed")
    waits = pauses.filter(reason="waiting for the part").join(first, on="order_id")
    assert len(waits) > 3_000
    assert (waits["started_at"] == waits["left_at"]).mean() > 0.95
    came = waits.join(orders, on="order_id", suffix="_order").drop_nulls(
        ["ended_at", "first_completed_at"]
    )
    assert (came["ended_at"] < came["first_completed_at"]).all()


def test_some_pauses_are_entered_late_with_and_without_evidence(rows, orders):
    pauses = _last(rows["pauses"]).join(orders, on="order_id")
    late = pauses.filter(pl.col("entered_at") > pl.col("first_completed_at"))
    assert 0.01 < len(late) / len(pauses) < 0.1
    assert 0.3 < late["evidence_ref"].null_count() / len(late) < 0.7


def test_customers_complain_as_customers_do(rows, complaints, orders):
    of = complaints.join(orders, on="order_id")
    assert len(of) == len(complaints)
    complained = complaints["order_id"].n_unique()
    assert 0.02 < complained / len(orders) < 0.06
    counted = complaints.filter(category="technician", valid="true")["order_id"].n_unique()
    assert 0.005 < counted / len(orders) < 0.025
    assert 0.02 < (len(complaints) - complained) / complained < 0.1
    # Undecided at first, nearly always decided in the end.
    firsts = rows["complaints"].group_by("complaint_id", maintain_order=True).first()
    assert firsts["valid"].is_null().mean() > 0.99
    settled = of.filter(pl.col("received_at") < orders["updated_at"].max() - timedelta(days=30))
    assert 0.01 < settled["valid"].is_null().mean() < 0.06
    decided = settled["valid"].drop_nulls()
    assert 0.5 < (decided == "true").mean() < 0.85
    answer = (settled["responded_at"] - settled["received_at"]).dt.total_minutes() / 60
    solution = (settled["resolved_at"] - settled["received_at"]).dt.total_minutes() / 60
    assert 0.8 < (answer <= 24).fill_null(False).mean() < 0.95
    assert 0.65 < (solution <= 72).fill_null(False).mean() < 0.92
    assert settled.filter(pl.col("resolved_at") < pl.col("responded_at")).is_empty()
    rated = settled["final_rating"].drop_nulls()
    assert 0.6 < len(rated) / len(settled) < 0.9
    assert 0.6 < (rated >= 4).mean() < 0.85
    assert 0.85 < complaints["evidence_ref"].is_not_null().mean() < 0.98
    after = of["received_at"] - of["first_completed_at"]
    assert 0.02 < (after.drop_nulls() > timedelta(days=7)).mean() < 0.1
    assert 0 < of["first_completed_at"].null_count() < 0.1 * len(of)


def test_inspectors_look_at_a_sample(rows, orders):
    items = rows["inspections"]
    completed = orders.filter(pl.col("first_completed_at").is_not_null())
    assert 0.07 < items["order_id"].n_unique() / len(completed) < 0.09
    assert set(items.group_by("order_id").len()["len"]) == {3, 4}
    assert items["inspection_id"].n_unique() == len(items)
    assert items.select("order_id", "item").is_duplicated().sum() == 0
    assert items.filter(pl.col("points_earned") > pl.col("points_possible")).is_empty()
    assert items["points_earned"].min() >= 0
    assert 0.85 < items["points_earned"].sum() / items["points_possible"].sum() < 0.95
    of = items.join(completed, on="order_id")
    assert len(of) == len(items)
    assert (of["inspected_at"] > of["first_completed_at"]).all()


def test_parts_go_into_repairs_and_dear_ones_into_dear_faults(parts, orders):
    of = parts.join(orders, on="order_id")
    assert len(of) == len(parts)
    assert set(of["service_type"]) == {"repair"}
    assert set(of["resolution"]) == {"fixed"}
    repairs = orders.filter(service_type="repair", resolution="fixed")
    assert 0.4 < parts["order_id"].n_unique() / len(repairs) < 0.75
    left = parts["quantity_taken"] - parts["quantity_used"]
    assert parts["quantity_used"].min() > 0 and left.min() >= 0
    assert ((parts["quantity_returned"] - left).drop_nulls() < 1e-9).all()
    over = parts.filter(left > 1e-9).drop_nulls("quantity_returned")
    assert 0.6 < (over["quantity_returned"] > 0).mean() < 0.95
    assert (parts["quantity_used"] % 1 > 0).any()  # what is poured
    cost = of.group_by("order_id", "fault_code").agg(
        cost=(pl.col("quantity_used") * pl.col("unit_cost")).sum()
    )
    mean = dict(cost.group_by("fault_code").agg(pl.col("cost").mean()).iter_rows())
    assert mean["SCREEN-01"] > 5 * mean["SIGNAL-01"]
    assert mean["COOL-03"] > 3 * mean["LEAK-01"]
    lacking = orders.filter(pl.col("fault_code") == "SCREEN-01", status="completed")
    assert lacking.join(parts, on="order_id", how="semi").height > 0.4 * len(lacking)


# --- what is recorded of a technician


def test_delighted_customers_recognise_technicians_some_of_them_twice(rows, orders):
    recognitions = _last(rows["recognitions"])
    assert 0.003 < len(recognitions) / len(orders) < 0.015
    kinds = dict(recognitions["kind"].value_counts(normalize=True).iter_rows())
    assert kinds["praise"] > 0.5
    for column in ("evidence_ref", "approved_by"):
        assert 0.85 < recognitions[column].is_not_null().mean() < 0.97, column
    assert recognitions.filter(
        pl.col("order_id").is_null() & pl.col("customer_id").is_null()
    ).is_empty()
    assert recognitions["order_id"].null_count() > 10 < recognitions["customer_id"].null_count()
    named = recognitions.join(orders, on="order_id", suffix="_order").drop_nulls("customer_id")
    assert (named["customer_id"] == named["customer_id_order"]).drop_nulls().all()
    assert (named["technician_id"] == named["technician_id_order"]).all()
    quarter = pl.col("occurred_on").str.to_date().dt.truncate("1q").alias("quarter")
    twice = recognitions.drop_nulls("customer_id").group_by("technician_id", "customer_id", quarter)
    assert 10 < (twice.len()["len"] > 1).sum() < 0.15 * len(recognitions)


def test_training_measures_before_and_after(rows):
    training = _last(rows["training"])
    assert training.select("technician_id", "held_on").is_duplicated().sum() == 0
    assert training["held_on"].n_unique() == 13  # the last month has not come to its course yet
    assert training["course"].n_unique() == 6
    assert 0.85 < (training["attended"] == "true").mean() < 0.97
    scores = training.filter(attended="true")
    assert scores["score_before"].is_not_null().all()
    assert 0.9 < scores["score_after"].is_not_null().mean() < 1
    assert 3 < (scores["score_after"] - scores["score_before"]).mean() < 15
    absent = training.filter(attended="false")
    assert absent["score_before"].is_null().all() and absent["score_after"].is_null().all()


def test_the_roster_has_every_technician_on_every_day_he_is_employed(rows):
    roster = _last(rows["roster"]).with_columns(pl.col("work_date").str.to_date())
    people = _last(rows["technicians"])
    first, last = roster["work_date"].min(), date(2026, 3, 9)
    assert first == date(2025, 2, 1)
    past = roster.filter(pl.col("work_date") <= last)
    days = dict(past.group_by("technician_id").len().iter_rows())
    employed = people.select(
        "technician_id",
        since=pl.max_horizontal(pl.col("hired_on").str.to_date(), pl.lit(first)),
        until=pl.min_horizontal(pl.col("left_on").str.to_date(), pl.lit(last)),
    )
    expected = {who: (until - since).days + 1 for who, since, until in employed.iter_rows()}
    assert days == expected
    assert len(set(expected.values())) > 5  # some came, some went


def test_the_roster_says_who_worked(rows, visits):
    roster = _last(rows["roster"])
    plans = rows["roster"].group_by("technician_id", "work_date", maintain_order=True).first()
    assert set(plans["available_minutes"]) == {0, 240, 480}
    past = roster.filter(pl.col("work_date") <= "2026-03-09")
    minutes = past["available_minutes"]
    assert minutes.min() == 0 and minutes.max() == 660
    assert 0.5 < (minutes == 480).mean() < 0.75
    assert 0.1 < (minutes == 0).mean() < 0.3
    assert 0.02 < (minutes == 240).mean() < 0.1
    assert 0.005 < (minutes > 480).mean() < 0.1
    changed = past.join(plans, on=["technician_id", "work_date"], suffix="_planned")
    leave = changed.filter(pl.col("available_minutes_planned") > 0, available_minutes=0)
    assert 0.003 < len(leave) / len(past) < 0.06
    # Whoever visited somebody was on duty, also on what had been planned as a day off.
    home = dict(rows["technicians"].select("technician_id", "area_id").unique().iter_rows())
    shanghai = [who for who, area in home.items() if area not in ("A06", "A08")]
    day = pl.col("arrived_at").dt.convert_time_zone(SHANGHAI).dt.date().cast(pl.String)
    work = visits.filter(pl.col("technician_id").is_in(shanghai)).select(
        "technician_id", work_date=day
    )
    worked = work.drop_nulls().unique().join(past, on=["technician_id", "work_date"])
    assert len(worked) > 10_000
    assert worked["available_minutes"].min() > 0


def test_corrections_are_asked_for_of_records_that_are_there_and_then_decided(
    rows, orders, surveys
):
    asked = rows["corrections"].group_by("correction_id", maintain_order=True).first()
    assert asked["decision"].is_null().all() and asked["decided_by"].is_null().all()
    assert 3 < len(asked) / 14 < 15
    decided = _last(rows["corrections"]).drop_nulls("decision")
    assert decided.select("decided_at", "decided_by").null_count().sum_horizontal().item() == 0
    assert 0.75 < len(decided) / len(asked) < 1
    assert 0.4 < (decided["decision"] == "upheld").mean() < 0.8
    assert 0.8 < asked["evidence_ref"].is_not_null().mean() < 1
    assert asked["requested_by"].is_in(rows["technicians"]["technician_id"].implode()).all()
    fields = {
        "work_orders": ("fault_code", "resolution", "technician_id", "completed_at"),
        "surveys": ("reason",),
        "expenses": ("amount",),
    }
    for feed, expected in fields.items():
        wanted = asked.filter(target_feed=feed)
        assert set(wanted["field"]) == set(expected)
        key = rows[feed].columns[0]
        first = rows[feed].group_by(key).agg(first_delivered=pl.col("delivered").min())
        found = wanted.join(first, left_on="target_key", right_on=key)
        assert len(found) == len(wanted)
        assert (found["first_delivered"] <= found["delivered"]).all()
    # What is asked for is something else than what is recorded.
    recorded = {
        "fault_code": orders.select("order_id", now="fault_code"),
        "resolution": orders.select("order_id", now="resolution"),
        "technician_id": orders.select("order_id", now="technician_id"),
        "reason": surveys.select("survey_id", now="reason"),
    }
    for field, records in recorded.items():
        of = asked.filter(field=field).join(
            records, left_on="target_key", right_on=records.columns[0]
        )
        assert len(of) > 3
        assert (of["now"] != of["new_value"]).fill_null(True).mean() > 0.9, field
    ended = asked.filter(field="completed_at").join(
        orders, left_on="target_key", right_on="order_id"
    )
    earlier = ended["new_value"].str.to_datetime("%Y-%m-%dT%H:%M:%S%:z")
    assert ((earlier >= ended["arrived_at"]) & (earlier <= ended["completed_at"])).all()
    assert (earlier < ended["first_completed_at"]).mean() > 0.8


# --- the truth behind it


def test_what_technicians_are_like_shows_in_their_figures(
    rows, orders, surveys, expenses, complaints, parts
):
    latent = pl.DataFrame(truth(YEAR["technicians"], seed=1))
    assert len(latent) == 80
    done = orders.filter(service_type="repair", status="completed", resolution="fixed").select(
        "order_id", "technician_id", "appliance_serial", "completed_at"
    )
    again = orders.filter(service_type="repair").select("appliance_serial", "reported_at")
    gap = pl.col("reported_at") - pl.col("completed_at")
    back = done.join(again, on="appliance_serial").filter(
        gap > timedelta(0), gap <= timedelta(days=7)
    )
    repeats = done.with_columns(repeat=pl.col("order_id").is_in(back["order_id"].implode()))
    assert 0.04 < repeats["repeat"].mean() < 0.12
    hours = (pl.col("first_completed_at") - pl.col("reported_at")).dt.total_minutes() / 60
    cost = parts.group_by("order_id").agg(
        cost=(pl.col("quantity_used") * pl.col("unit_cost")).sum()
    )
    shown = {
        "repeat": repeats.group_by("technician_id").agg(pl.col("repeat").mean()),
        "satisfied": surveys.filter(pl.col("rating").is_not_null())
        .join(orders.select("order_id", "technician_id"), on="order_id")
        .group_by("technician_id")
        .agg(satisfied=(pl.col("rating") >= 4).mean(), answers=pl.len()),
        "on_time": orders.filter(status="completed")
        .group_by("technician_id")
        .agg(on_time=(hours <= 24).mean()),
        "claim": expenses.filter(pl.col("order_id").is_not_null(), kind="travel")
        .group_by("technician_id")
        .agg(claim=pl.col("amount").mean()),
        "complained of": orders.filter(status="completed")
        .with_columns(angry=pl.col("order_id").is_in(complaints["order_id"].implode()))
        .group_by("technician_id")
        .agg(pl.col("angry").mean()),
        "parts": orders.filter(service_type="repair", resolution="fixed")
        .join(cost, on="order_id", how="left")
        .group_by("technician_id")
        .agg(pl.col("cost").fill_null(0).mean()),
        **{
            item: rows["inspections"]
            .filter(item=item)
            .join(orders, on="order_id")
            .group_by("technician_id")
            .agg(pl.col("points_earned").mean().alias(item))
            for item in ("running_test", "conduct")
        },
    }
    for figures in shown.values():
        latent = latent.join(figures, on="technician_id")
    assert len(latent) > 75
    latent = latent.filter(pl.col("answers") > 50)

    def together(one: str, other: str) -> float:
        return latent.select(pl.corr(one, other)).item()

    assert together("politeness", "satisfied") > 0.5
    assert together("fix_quality", "satisfied") > 0.2
    assert together("fix_quality", "repeat") < -0.5
    assert together("speed", "on_time") > 0.5
    assert together("thrift", "claim") < -0.4
    assert together("thrift", "cost") < -0.4
    assert together("politeness", "angry") < -0.4
    assert together("politeness", "conduct") > 0.5
    assert together("fix_quality", "running_test") > 0.5
    assert latent["satisfied"].quantile(0.9) - latent["satisfied"].quantile(0.1) > 0.1


def test_the_truth_is_the_same_whatever_the_size_of_the_company():
    assert truth(10, seed=1) == truth(200, seed=1)[:10]
    assert truth(10, seed=1) != truth(10, seed=2)


# --- dirty rows


def test_every_file_ends_with_its_dirty_rows_and_is_clean_without(tmp_path):
    company = SMALL | {"technicians": 120}
    clean = _generate(tmp_path / "clean", **company, dirty=False)
    dirty = _generate(tmp_path / "dirty", **company)
    assert len(dirty_rows()) == len({row.kind for row in dirty_rows()}) == 40
    assert {row.feed for row in dirty_rows()} == set(FEEDS)
    seen = set()
    for feed in FEEDS:
        kinds = [row for row in dirty_rows() if row.feed == feed]
        for delivered, path in _deliveries(dirty, feed).items():
            text = _text(_deliveries(clean, feed)[delivered])
            assert _text(path).startswith(text)
            added = list(csv.reader(_text(path)[len(text) :].splitlines()))
            header, *good = csv.reader(text.splitlines())
            borne = kinds[: len(good) // 5]
            assert len(added) == len(borne)
            for row, kind in zip(added, borne, strict=True):
                seen.add(kind.kind)
                if kind.outcome == "malformed":
                    assert len(row) > len(header)
                    continue
                delivered_row = dict(zip(header, row, strict=True))
                for column, value in kind.changes.items():
                    if "{" not in value:
                        assert delivered_row[column] == value
                assert (row in good) == (kind.outcome == "unchanged"), kind.kind
                key = header[: 2 if feed == "roster" else 1]
                keys = {tuple(good_row[header.index(name)] for name in key) for good_row in good}
                known = tuple(delivered_row[name] for name in key) in keys
                assert known == (kind.outcome in ("unchanged", "wins")), kind.kind
                if "{next_year}" in "".join(kind.changes.values()):
                    assert str(delivered + timedelta(days=365)) in ",".join(row)
    assert seen == {row.kind for row in dirty_rows()}
    for feed in PEOPLE:
        for delivered, path in _deliveries(dirty, feed).items():
            assert _text(path) == _text(_deliveries(clean, feed)[delivered])


def test_of_the_company_everybody_sees_first_one_row_in_a_thousand_is_dirty(rows):
    every_row = sum(len(rows[feed]) for feed in FEEDS) * 200 / YEAR["technicians"]
    assert 17 * len(dirty_rows()) / every_row < 0.001


# --- complete or not there


def test_a_complete_result_is_reused_and_never_mixed_with_another(tmp_path):
    landing = _generate(tmp_path / "landing", **SMALL)
    before = {path: path.stat().st_mtime_ns for path in landing.rglob("*")}
    told = []
    assert generate(landing, progress=told.append, **SMALL) == landing
    assert before == {path: path.stat().st_mtime_ns for path in landing.rglob("*")}
    assert told == [f"{landing}: the sample company is there already"]
    with pytest.raises(FieldscoreError, match="made with technicians=16, seed=1; delete"):
        _generate(landing, **SMALL | {"technicians": 17, "seed": 2})
    assert before == {path: path.stat().st_mtime_ns for path in landing.rglob("*")}


def test_somebody_elses_deliveries_are_left_alone(tmp_path):
    theirs = tmp_path / "landing" / "work_orders" / "orders.csv"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(FieldscoreError, match="not the sample company's; choose another folder"):
        _generate(tmp_path / "landing", **SMALL)
    assert theirs.read_text() == "theirs"


_SCRIPT = (
    "import sys; from pathlib import Path; from datetime import date;"
    "from fieldscore.sample_company import generate;"
    "generate(Path(sys.argv[1]), technicians=16, months=2)"
)


def test_a_killed_generation_leaves_nothing_that_looks_complete(tmp_path):
    landing = tmp_path / "landing"
    command = [sys.executable, "-uc", _SCRIPT, str(landing)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()  # the first month is written
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not landing.exists()
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    _generate(landing, **SMALL)
    assert _files(landing) == _files(_generate(tmp_path / "other", **SMALL))
    assert {path.name for path in tmp_path.iterdir()} == {"landing", "other"}


def test_two_generations_at_once_make_one_company(tmp_path):
    landing = tmp_path / "landing"
    command = [sys.executable, "-uc", _SCRIPT, str(landing)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(output.count(b" work_orders") for output in outputs) == [0, 5]
    assert _files(landing) == _files(_generate(tmp_path / "other", **SMALL))
    assert {path.name for path in tmp_path.iterdir()} == {"landing", "other"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"technicians": 0}, "technicians is 0; it must be from 1 to 50000"),
        ({"months": 0}, "months is 0; it must be from 1 to 120"),
        ({"months": 1, "nights": 10}, "nights is 10; it must be from 0 to 9"),
        ({"nights": -1}, "nights is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"orders_per_technician_day": float("nan")}, "orders_per_technician_day is nan"),
        ({"until": date(1999, 12, 31)}, "year of until is 1999; it must be from 2000 to 2100"),
        ({"technicians": 50_000, "months": 120}, "are more than 90,000,000 orders"),
    ],
)
def test_arguments_that_make_no_company_are_refused_by_name(tmp_path, arguments, message):
    with pytest.raises(FieldscoreError, match=message):
        _generate(tmp_path / "landing", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nights", [0, 9])
def test_the_smallest_company_has_a_history_or_nights_alone(tmp_path, nights):
    landing = _generate(tmp_path / "landing", technicians=1, months=1, nights=nights)
    assert len(_deliveries(landing, "work_orders")) == (nights or 1)
    assert sum(_text(p).count("\n") for p in _deliveries(landing, "work_orders").values()) > 20


def test_what_is_remembered_does_not_grow_with_the_history(tmp_path, monkeypatch):
    waiting, remembered = {}, []
    wait = sample_company._wait

    def spy(rows_by_day, rows, days):
        wait(rows_by_day, rows, days)
        waiting[id(rows_by_day)] = sum(len(p) for parts in rows_by_day.values() for p in parts)
        remembered.append(sum(waiting.values()))

    monkeypatch.setattr(sample_company, "_wait", spy)
    _generate(tmp_path / "landing", technicians=40, months=6)
    days = 31 + 30 + 31 + 31 + 28 + 9
    assert len(waiting) == len(FEEDS) and len(remembered) == days * len(FEEDS)
    of_a_day = len(FEEDS)
    assert 50 < max(remembered[-30 * of_a_day :]) < 1.3 * max(remembered[: 60 * of_a_day])
