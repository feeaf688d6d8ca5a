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
FEEDS = ("work_orders", "surveys", "expenses")
ROSTER = ("technicians", "areas")


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
    columns = canonical_feeds()[feed].columns
    types = {"timestamp": pl.Datetime("us", "UTC"), "integer": pl.Int64, "decimal": pl.Float64}
    return pl.concat(frames).with_columns(
        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%:z").cast(types["timestamp"])
        if columns[name].type == "timestamp"
        else pl.col(name).cast(types.get(columns[name].type, pl.String))
        for name in frames[0].columns
        if name != "delivered"
    )


@pytest.fixture(scope="module")
def year(tmp_path_factory) -> Path:
    """Fourteen months of a clean company of 80."""
    return _generate(tmp_path_factory.mktemp("year") / "landing", **YEAR, dirty=False)


@pytest.fixture(scope="module")
def rows(year) -> dict[str, pl.DataFrame]:
    """All rows of that company, by feed."""
    return {feed: _rows(year, feed) for feed in (*FEEDS, *ROSTER)}


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
    return rows["surveys"].sort("updated_at").group_by("survey_id").last()


@pytest.fixture(scope="module")
def expenses(rows) -> pl.DataFrame:
    """Each claim's last version."""
    return rows["expenses"].sort("updated_at").group_by("expense_id").last()


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
    for feed in ROSTER:
        assert list(_deliveries(landing, feed)) == history + nights
    assert {path.name for path in landing.iterdir()} == {*FEEDS, *ROSTER, ".sample_company.json"}


def test_every_column_is_canonical_and_none_that_must_be_present_is_missing(year):
    for feed in (*FEEDS, *ROSTER):
        columns = canonical_feeds()[feed].columns
        [header] = {_text(path).splitlines()[0] for path in _deliveries(year, feed).values()}
        assert set(header.split(",")) <= set(columns)
        assert {c.name for c in columns.values() if c.present} <= set(header.split(","))


def test_every_value_is_one_the_feed_accepts_and_all_of_them_occur(rows):
    for feed, delivered in rows.items():
        for column in canonical_feeds()[feed].columns.values():
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


def test_a_file_holds_what_came_to_be_since_the_delivery_before(rows):
    came = pl.col("updated_at").dt.convert_time_zone("Asia/Shanghai").dt.date()
    for feed in FEEDS:
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
    assert {name.split("/")[0] for name in different} >= set(FEEDS)


def test_the_text_is_the_one_it_always_was_on_every_machine(tmp_path):
    """Change the digest only with the company; a difference between machines is a fault."""
    landing = _generate(tmp_path / "landing", **SMALL)
    digest = hashlib.sha256()
    for path in sorted(landing.rglob("*.csv*")):
        digest.update(_text(path).encode())
    assert digest.hexdigest() == "cd8e227c3fb4f43f98d8bdc0b3a3b4c641a618bf40259eef3d0ccf3a4e9ee473"


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


# --- the truth behind it


def test_what_technicians_are_like_shows_in_their_figures(orders, surveys, expenses):
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
    assert latent["satisfied"].quantile(0.9) - latent["satisfied"].quantile(0.1) > 0.1


def test_the_truth_is_the_same_whatever_the_size_of_the_company():
    assert truth(10, seed=1) == truth(200, seed=1)[:10]
    assert truth(10, seed=1) != truth(10, seed=2)


# --- dirty rows


def test_every_delivery_ends_with_its_dirty_rows_and_is_clean_without(tmp_path):
    clean = _generate(tmp_path / "clean", **SMALL, dirty=False)
    dirty = _generate(tmp_path / "dirty", **SMALL)
    assert len(dirty_rows()) == len({row.kind for row in dirty_rows()}) == 12
    for feed in FEEDS:
        kinds = [row for row in dirty_rows() if row.feed == feed]
        for delivered, path in _deliveries(dirty, feed).items():
            text = _text(_deliveries(clean, feed)[delivered])
            assert _text(path).startswith(text)
            added = list(csv.reader(_text(path)[len(text) :].splitlines()))
            assert len(added) == len(kinds) > 0
            header, *good = csv.reader(text.splitlines())
            for row, kind in zip(added, kinds, strict=True):
                if kind.outcome == "malformed":
                    assert len(row) > len(header)
                    continue
                delivered_row = dict(zip(header, row, strict=True))
                for column, value in kind.changes.items():
                    if "{" not in value:
                        assert delivered_row[column] == value
                assert (row in good) == (kind.outcome == "unchanged"), kind.kind
                key = canonical_feeds()[feed].key[0]
                known = delivered_row[key] in {good_row[header.index(key)] for good_row in good}
                assert known == (kind.outcome in ("unchanged", "wins")), kind.kind
                if kind.kind == "updated_at a year ahead":
                    assert delivered_row["updated_at"][:10] == str(delivered + timedelta(days=365))
    for feed in ROSTER:
        for delivered, path in _deliveries(dirty, feed).items():
            assert _text(path) == _text(_deliveries(clean, feed)[delivered])


def test_of_the_company_everybody_sees_first_one_row_in_two_thousand_is_dirty(rows):
    rows = sum(len(rows[feed]) for feed in FEEDS) * 200 / YEAR["technicians"]
    assert 17 * len(dirty_rows()) / rows < 0.0005


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
    remembered = []
    wait = sample_company._wait

    def spy(rows_by_day, rows, days):
        wait(rows_by_day, rows, days)
        if "version" in rows.dtype.names:
            remembered.append(sum(len(part) for parts in rows_by_day.values() for part in parts))

    monkeypatch.setattr(sample_company, "_wait", spy)
    _generate(tmp_path / "landing", technicians=40, months=6)
    assert len(remembered) == 31 + 30 + 31 + 31 + 28 + 9
    assert 50 < max(remembered[-30:]) < 1.3 * max(remembered[:60])
