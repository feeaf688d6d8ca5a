"""Every clock agrees, to the minute, with tests/clock_reference.py, which walks minute by minute.

The models under test are the ones a night runs: dbt compiles them once, and their SQL is run on
tables filled with many random orders at a time. Orders of a batch do not touch each other, so the
one that differs is shown alone, with the policy of its night, and nothing is shrunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

import clock_reference as slow
import pytest
from clock_reference import Calendar, Hours, Pause, SpecialHours, Stretch
from fieldscore import publish, transform, warehouse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nights import Site, silent
from psycopg import sql
from psycopg.rows import dict_row

# --- the models and the tables they read ---------------------------------------------------------

WORKING_HOURS = ("int_days", "int_utc_offsets", "int_working_hours")
PAUSES = ("int_days", "int_pauses", "int_order_pauses")
BUSINESS_MINUTES = (*WORKING_HOURS, *PAUSES[1:], "int_measured_spans", "int_business_minutes")
NET_CLOCKS = (*PAUSES, "int_order_clocks")

Row = dict[str, Any]


class Models:
    """The intermediate models, as dbt compiles them, on a warehouse in which nothing else is."""

    def __init__(self, site: Site) -> None:
        warehouse_ = site.clear()
        targets = ("+int_order_clocks", "+int_business_minutes")
        # Once by dbt, on nothing delivered: that makes every table, with its types.
        with warehouse.connect(warehouse_) as connection:
            publish.prepare(connection, transform.manifest(warehouse_))
        for command in (["build", *transform.NIGHTLY], ["compile"]):
            built = transform.run(
                warehouse_, *command, "--full-refresh", "--select", *targets, say=silent
            )
        self.compiled = {result.node.name: result.node.compiled_code for result in built.results}
        self.relations = {
            node.name: node.relation_name
            for node in transform.manifest(warehouse_).nodes.values()
            if node.resource_type in ("model", "seed")
        }
        self.connection = warehouse.connect(warehouse_, autocommit=True, row_factory=dict_row)
        self.connection.execute(
            "insert into ops.runs (run_id, business_date, as_of, status, code_version)"
            " overriding system value"
            " values (1, '2000-01-01', '2000-01-01', 'failed', 'clocks')"
        )

    def begin(self, as_of: datetime) -> None:
        """Begin a night; what the one before left is replaced by load and build."""
        self.connection.execute("delete from ops.night")
        self.connection.execute(
            "insert into ops.night (run_id, business_date, as_of, time_zone)"
            " values (1, %s, %s, 'UTC')",
            [as_of.date() - timedelta(days=1), as_of],
        )

    def load(self, name: str, rows: list[Row]) -> None:
        """Let a model or policy table hold these rows alone; columns not named are empty."""
        columns = sql.SQL(", ").join(map(sql.Identifier, rows[0])) if rows else sql.SQL("")
        table = sql.SQL(self.relations[name])
        with self.connection.cursor() as cursor:
            cursor.execute(sql.SQL("truncate {}").format(table))
            if rows:
                with cursor.copy(sql.SQL("copy {} ({}) from stdin").format(table, columns)) as copy:
                    for row in rows:
                        copy.write_row(list(row.values()))

    def build(self, *names: str) -> None:
        """Build these models, in this order."""
        for name in names:
            table = self.relations[name]
            self.connection.execute(f"truncate {table}")
            self.connection.execute(f"insert into {table} {self.compiled[name]}")

    def rows(self, name: str, order_by: str) -> list[Row]:
        """What a model holds."""
        return self.connection.execute(
            f"select * from {self.relations[name]} order by {order_by}"
        ).fetchall()


@pytest.fixture(scope="module")
def models(site: Site) -> Iterator[Models]:
    built = Models(site)
    yield built
    built.connection.close()


# --- nights to compute ---------------------------------------------------------------------------

Times = tuple[time, time]

# Their clocks change by an hour or half of one, at night or at midnight itself, or never.
ZONES = (
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Europe/Lisbon",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
OWNERS = ("customer", "parts", "company", "third_party", "technician")
EVER = date(2015, 1, 1)
DAY = timedelta(days=1)

# What is loaded and computed together.
AREAS, ORDERS = 5, 25


@dataclass(frozen=True)
class Season:
    """Weeks in which clocks change."""

    first: datetime
    last: datetime

    @property
    def length(self) -> int:
        return (self.last - self.first) // slow.MINUTE

    def days(self) -> st.SearchStrategy[date]:
        return st.dates(self.first.date(), self.last.date())

    @cache  # noqa: B019 - there are two seasons
    def changes(self, zone: str) -> list[datetime]:
        """When the clocks of a zone change; the zones above do so on whole half hours."""
        moments = [self.first + n * timedelta(minutes=30) for n in range(self.length // 30)]
        ahead = [slow.local_time(moment, zone) - moment for moment in moments]
        return [moments[n] for n in range(1, len(moments)) if ahead[n] != ahead[n - 1]]

    def moments(self, zone: str) -> st.SearchStrategy[datetime]:
        """Moments of the season, most of them within two days of a clock change."""
        anywhere = st.integers(0, self.length).map(lambda n: self.first + n * slow.MINUTE)
        if not (changes := self.changes(zone)):
            return anywhere
        near = st.tuples(st.sampled_from(changes), st.integers(-2880, 2880))
        return near.map(lambda drawn: drawn[0] + drawn[1] * slow.MINUTE) | anywhere


@dataclass(frozen=True)
class Dated:
    """A value of a policy file, and the days on which it is in force."""

    value: Any
    valid_from: date
    valid_to: date | None

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class Policy:
    """limits.csv and excused_pause_owners.csv."""

    on_time_hours: tuple[Dated, ...]
    completion_days: tuple[Dated, ...]
    open_pause_days: tuple[Dated, ...]
    excused_owners: tuple[Dated, ...]


@dataclass(frozen=True)
class Area:
    """A time zone and a calendar, which goes by the area's id."""

    area_id: str
    zone: str
    calendar: Calendar


@dataclass(frozen=True)
class Order:
    """An order; ``pauses`` are those beside the wait for its assignment."""

    area: Area
    reported_at: datetime
    assigned_at: datetime | None
    is_held: bool
    cancelled_at: datetime | None
    responded_at: datetime
    is_accepted: bool
    completed_at: datetime | None
    customer_slot_end: datetime | None
    pauses: tuple[Pause, ...]

    @property
    def reported_on(self) -> date:
        return slow.local_date(self.reported_at, self.area.zone)


@dataclass(frozen=True)
class Night:
    """Areas and orders by their ids, as a night sees them."""

    season: Season
    as_of: datetime
    policy: Policy
    areas: dict[str, Area]
    orders: dict[str, Order]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis says of it; assert_same shows the order that matters."""
        printer.text(f"<{len(self.orders)} orders as of {self.as_of}>")

    def excused(self, order: Order) -> list[Stretch]:
        """What stops the clock of an order, by the slow."""
        open_limit = self.limit("open_pause_days", order, DAY)
        wait = slow.waiting_time(
            order.reported_at,
            order.assigned_at,
            order.cancelled_at,
            order.is_held or order.completed_at is not None,
            self.as_of,
            open_limit,
        )
        return slow.excused_stretches(
            [*([wait] if wait else []), *order.pauses],
            [row.value for row in self.policy.excused_owners if row.holds(order.reported_on)],
            order.completed_at,
            self.as_of,
            open_limit,
        )

    def limit(self, name: str, order: Order, unit: timedelta) -> timedelta:
        """The limit in force when the order was reported."""
        [value] = [row.value for row in getattr(self.policy, name) if row.holds(order.reported_on)]
        return value * unit


SEASONS = (
    Season(datetime(2025, 9, 4), datetime(2025, 11, 8)),
    Season(datetime(2026, 3, 4), datetime(2026, 4, 10)),
)


def wall_clock(minute: int) -> time:
    return time(*divmod(minute, 60))


# Clocks are changed between midnight and 3 o'clock; policy files cannot say 24:00.
TIMES_OF_DAY = st.one_of(
    st.just(0),
    st.just(23 * 60 + 59),
    st.integers(0, 12).map(lambda n: n * 15),
    st.integers(0, 23 * 60 + 59),
).map(wall_clock)

# One or two stretches, apart or touching.
HOURS_OF_A_DAY = (
    st.lists(TIMES_OF_DAY, min_size=2, max_size=4)
    .map(sorted)
    .map(lambda times: [(a, b) for a, b in zip(times[::2], times[1::2], strict=False) if a < b])
    .filter(bool)
)


@st.composite
def changing(draw: st.DrawFn, values: st.SearchStrategy, days: st.SearchStrategy[date]) -> tuple:
    """A policy value that holds for good, or another from some day on."""
    changes_on = draw(st.none() | days)
    if changes_on is None:
        return (Dated(draw(values), EVER, None),)
    return (Dated(draw(values), EVER, changes_on), Dated(draw(values), changes_on, None))


def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: n * slow.MINUTE)


@st.composite
def areas(draw: st.DrawFn, season: Season, area_id: str) -> Area:
    """Weekly hours, which may change in mid-life, and days off or made up with their own hours."""
    zone = draw(st.sampled_from(ZONES))
    weekdays_and_hours = st.tuples(st.sets(st.integers(1, 7), min_size=1), HOURS_OF_A_DAY)
    weeks = draw(changing(weekdays_and_hours, season.days()))
    days = season.moments(zone).map(lambda moment: slow.local_date(moment, zone))
    special = draw(st.dictionaries(days, st.just([(None, None)]) | HOURS_OF_A_DAY, max_size=4))
    calendar = Calendar(
        hours=tuple(
            Hours(weekday, opens, closes, week.valid_from, week.valid_to)
            for week in weeks
            for weekday in week.value[0]
            for opens, closes in week.value[1]
        ),
        special_hours=tuple(
            SpecialHours(day, opens, closes)
            for day, stretches in special.items()
            for opens, closes in stretches
        ),
    )
    return Area(area_id, zone, calendar)


@st.composite
def pauses(draw: st.DrawFn, reported_at: datetime, grid: timedelta, as_of: datetime) -> Pause:
    """A pause that may begin before the report, have no length, or end ahead of the night."""
    started_at = reported_at + draw(st.integers(-4, 12)) * grid
    some_length = st.integers(0, 8).map(lambda n: started_at + n * grid)
    return Pause(
        owner=draw(st.sampled_from(OWNERS)),
        started_at=started_at,
        ended_at=draw(st.none() | some_length | st.just(as_of + grid)),
        entered_at=draw(st.none() | st.integers(0, 12).map(lambda n: reported_at + n * grid)),
        evidence_ref=draw(st.none() | st.just("photo")),
    )


@st.composite
def orders(draw: st.DrawFn, season: Season, as_of: datetime, areas: list[Area]) -> Order:
    """An order's life in steps of a grid, so that much of it meets, touches or lasts no time."""
    area = draw(st.sampled_from(areas))
    reported_at = min(draw(season.moments(area.zone)), as_of)
    grid = draw(st.sampled_from([1, 17, 60, 720])) * slow.MINUTE
    after_it = st.integers(0, 12).map(lambda n: reported_at + n * grid)
    perhaps = st.none() | after_it
    completed_at = draw(perhaps)
    return Order(
        area=area,
        reported_at=reported_at,
        assigned_at=draw(perhaps | st.just(as_of + grid)),
        is_held=draw(st.booleans()),
        cancelled_at=draw(perhaps),
        responded_at=draw(after_it),
        is_accepted=draw(st.booleans()),
        # A completion ahead of the night has not happened yet.
        completed_at=None if completed_at is None or completed_at > as_of else completed_at,
        customer_slot_end=draw(perhaps),
        pauses=tuple(draw(st.lists(pauses(reported_at, grid, as_of), max_size=4))),
    )


@st.composite
def nights(draw: st.DrawFn) -> Night:
    season = draw(st.sampled_from(SEASONS))
    # Open pauses end at the night, or long before at their limit.
    as_of = season.last + draw(minutes(-20 * 1440, 20 * 1440))
    days = season.days()
    policy = Policy(
        on_time_hours=draw(changing(st.integers(0, 72), days)),
        completion_days=draw(changing(st.integers(0, 4), days)),
        open_pause_days=draw(changing(st.just(14) | st.integers(0, 3), days)),
        excused_owners=tuple(
            row
            for owner in OWNERS
            # For good, up to a day, from a day on, or never.
            for row in draw(changing(st.just(owner), days))[draw(st.integers(0, 2)) :]
        ),
    )
    places = [draw(areas(season, f"A{n}")) for n in range(AREAS)]
    batch = draw(st.lists(orders(season, as_of, places), min_size=ORDERS, max_size=ORDERS))
    return Night(
        season,
        as_of,
        policy,
        areas={area.area_id: area for area in places},
        orders={f"WO{n}": order for n, order in enumerate(batch)},
    )


def walk(nights_to_walk: int) -> settings:
    """So many nights; each costs the reference a second of walking."""
    return settings(
        max_examples=nights_to_walk,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# --- a night in the tables -----------------------------------------------------------------------


def load(models: Models, night: Night) -> None:
    """Fill the tables with a night's policy, areas and orders."""
    models.begin(night.as_of)
    limits = {
        "on_time": night.policy.on_time_hours,
        "completion": night.policy.completion_days,
        "open_pause": night.policy.open_pause_days,
    }
    models.load(
        "limits",
        [
            {"limit_code": code, **dated(row, "value")}
            for code, rows in limits.items()
            for row in rows
        ],
    )
    models.load(
        "excused_pause_owners", [dated(row, "owner") for row in night.policy.excused_owners]
    )
    models.load(
        "int_areas",
        [
            {"area_id": key, "calendar_id": key, "time_zone": area.zone}
            for key, area in night.areas.items()
        ],
    )
    models.load(
        "calendar_hours",
        [
            {"calendar_id": key, **vars(hours)}
            for key, area in night.areas.items()
            for hours in area.calendar.hours
        ],
    )
    models.load(
        "calendar_days",
        [
            {"calendar_id": key, **vars(hours)}
            for key, area in night.areas.items()
            for hours in area.calendar.special_hours
        ],
    )
    by_id = night.orders.items()
    models.load("int_orders", [in_int_orders(key, order) for key, order in by_id])
    # Who held an order when is no matter of clocks, but it has a version.
    models.load(
        "stg_work_orders_history",
        [
            {
                "order_id": key,
                "version_no": 1,
                "is_current": True,
                "reported_at": order.reported_at,
                "updated_at": order.reported_at,
            }
            for key, order in by_id
        ],
    )
    models.load(
        "stg_pauses_history",
        [
            {"pause_id": f"{key}-{n}", "order_id": key, "is_current": True, **vars(pause)}
            for key, order in by_id
            for n, pause in enumerate(order.pauses)
        ],
    )


def dated(row: Dated, column: str) -> Row:
    return {column: row.value, "valid_from": row.valid_from, "valid_to": row.valid_to}


def in_int_orders(order_id: str, order: Order) -> Row:
    return {
        "order_id": order_id,
        "calendar_id": order.area.area_id,
        "time_zone": order.area.zone,
        "technician_id": "T1" if order.is_held else None,
        "reported_on": order.reported_on,
        "reported_at": order.reported_at,
        "assigned_at": order.assigned_at,
        "accepted_at": order.responded_at if order.is_accepted else None,
        "arrived_at": None if order.is_accepted else order.responded_at,
        "cancelled_at": order.cancelled_at,
        "first_completed_at": order.completed_at,
        "customer_slot_end": order.customer_slot_end,
    }


def assert_same(
    night: Night,
    judged: dict[str, Area] | dict[str, Order],
    walked: dict[str, Any],
    computed: dict[str, Any],
) -> None:
    """Every value is the walked one; the first that is not is shown with all that lies behind it.

    judged: what the values are of, by the same ids. Of sets of minutes the first difference is
    shown.
    """
    assert computed.keys() == walked.keys() == judged.keys()
    for key, area_or_order in judged.items():
        ours, theirs = walked[key], computed[key]
        if ours != theirs:
            if isinstance(ours, set):
                first = min(ours ^ theirs)
                ours, theirs = f"{first}: {first in ours}", f"{first}: {first in theirs}"
            pytest.fail(
                f"walked   {ours}\ncomputed {theirs}\n{area_or_order}\n"
                f"as of {night.as_of}, {night.policy}"
            )


# --- the properties ------------------------------------------------------------------------------


@walk(8)
@given(night=nights())
def test_working_hours_are_what_the_clock_on_the_wall_shows(models: Models, night: Night) -> None:
    load(models, night)
    models.build(*WORKING_HOURS)
    stretches = models.rows("int_working_hours", "calendar_id, opens_at")
    walked, computed = {}, {}
    for key, area in night.areas.items():
        special_days = [datetime.combine(row.day, time()) for row in area.calendar.special_hours]
        # Whole weeks would take a minute.
        looked_at = {
            minute
            for moment in [*night.season.changes(area.zone), *special_days, night.season.first]
            for minute in slow.minutes(moment - DAY, moment + DAY)
        }
        walked[key] = {
            minute for minute in looked_at if slow.is_working_time(minute, area.calendar, area.zone)
        }
        open_minutes = [
            minute
            for stretch in stretches
            if stretch["calendar_id"] == key
            for minute in slow.minutes(stretch["opens_at"], stretch["closes_at"])
        ]
        computed[key] = looked_at.intersection(open_minutes)
        assert len(open_minutes) == len(set(open_minutes)), f"a minute counts twice: {area}"
    assert_same(night, night.areas, walked, computed)
    for stretch in stretches:
        zone = night.areas[stretch["calendar_id"]].zone
        last = stretch["closes_at"] - slow.MINUTE
        assert stretch["day"] == slow.local_date(stretch["opens_at"], zone)
        assert stretch["day"] == slow.local_date(last, zone)


@walk(15)
@given(night=nights())
def test_business_minutes_are_the_minutes_one_can_count(models: Models, night: Night) -> None:
    load(models, night)
    models.build(*BUSINESS_MINUTES)
    walked = {
        key: slow.business_minutes(
            order.reported_at,
            order.responded_at,
            order.area.calendar,
            order.area.zone,
            night.excused(order),
        )
        for key, order in night.orders.items()
    }
    found = models.rows("int_business_minutes", "order_id")
    assert {row["clock"] for row in found} == {"response"}
    assert_same(night, night.orders, walked, {row["order_id"]: row["minutes"] for row in found})


@walk(10)
@given(night=nights())
def test_pauses_cover_the_minutes_in_which_a_clock_stands_still(
    models: Models, night: Night
) -> None:
    load(models, night)
    models.build(*PAUSES)
    walked = {}
    for key, order in night.orders.items():
        excused = night.excused(order)
        ends = [order.reported_at, *(stretch.ended_at for stretch in excused)]
        walked[key] = {
            minute
            for minute in slow.minutes(order.reported_at, max(ends))
            if slow.stands_still(minute, excused)
        }
    computed: dict[str, set[datetime]] = {key: set() for key in night.orders}
    last: Row = {"order_id": None}
    for row in models.rows("int_order_pauses", "order_id, stretch_no"):
        covered = computed[row["order_id"]]
        assert row["paused_before"] == len(covered) * slow.MINUTE
        covered.update(slow.minutes(row["started_at"], row["ended_at"]))
        if row["order_id"] == last["order_id"]:
            assert row["stretch_no"] == last["stretch_no"] + 1
            assert row["started_at"] > last["ended_at"], "touching pauses are one"
        else:
            assert row["stretch_no"] == 1
        last = row
    assert_same(night, night.orders, walked, computed)


@walk(10)
@given(night=nights())
def test_net_limits_end_when_so_much_net_time_has_passed(models: Models, night: Night) -> None:
    load(models, night)
    models.build(*NET_CLOCKS)
    walked = {}
    for key, order in night.orders.items():
        excused = night.excused(order)
        due_at, aged_at = (
            max(
                slow.net_limit_ends(order.reported_at, limit, excused),
                order.customer_slot_end or order.reported_at,
            )
            for limit in (
                night.limit("on_time_hours", order, timedelta(hours=1)),
                night.limit("completion_days", order, DAY),
            )
        )
        walked[key] = {
            "due_at": due_at,
            "aged_at": aged_at,
            "aged_on": slow.local_date(aged_at, order.area.zone),
            "gross_minutes": None,
            "net_minutes": None,
        }
        if order.completed_at is not None:
            walked[key]["gross_minutes"] = slow.net_minutes(
                order.reported_at, order.completed_at, []
            )
            walked[key]["net_minutes"] = slow.net_minutes(
                order.reported_at, order.completed_at, excused
            )
    told = [column for clocks in walked.values() for column in clocks]
    computed = {
        row["order_id"]: {column: row[column] for column in dict.fromkeys(told)}
        for row in models.rows("int_order_clocks", "order_id")
    }
    assert_same(night, night.orders, walked, computed)


# --- where nothing can be counted ----------------------------------------------------------------

# A Monday without pauses in an area that works from nine to five.
PLAIN = Order(
    area=Area(
        "A",
        "UTC",
        Calendar(tuple(Hours(weekday, time(9), time(17), EVER) for weekday in range(1, 8))),
    ),
    reported_at=datetime(2026, 3, 2, 10),
    assigned_at=None,
    is_held=True,
    cancelled_at=None,
    responded_at=datetime(2026, 3, 3, 10),
    is_accepted=True,
    completed_at=None,
    customer_slot_end=None,
    pauses=(),
)


def one_night(**orders: Order) -> Night:
    """A night of these orders, ten days after PLAIN was reported, under the policy in force."""
    return Night(
        SEASONS[1],
        as_of=datetime(2026, 3, 12),
        policy=Policy(
            on_time_hours=(Dated(24, EVER, None),),
            completion_days=(Dated(7, EVER, None),),
            open_pause_days=(Dated(14, EVER, None),),
            excused_owners=tuple(Dated(owner, EVER, None) for owner in OWNERS[:-1]),
        ),
        areas={order.area.area_id: order.area for order in orders.values()},
        orders=orders,
    )


def test_business_minutes_are_unknown_without_hours_or_beyond_the_days(models: Models) -> None:
    """No row at all, which the KPI tells as unknown; never a zero, and never one end alone."""
    # The days are laid out to the sixtieth after the night, which is 11 May.
    last_minute = datetime(2026, 5, 11, 23, 59)
    nobody_works = Area("B", "UTC", Calendar(hours=()))
    only_days_off = Area(
        "C", "UTC", Calendar(hours=(), special_hours=(SpecialHours(date(2026, 3, 2)),))
    )
    night = one_night(
        plain=PLAIN,
        last_minute=replace(PLAIN, responded_at=last_minute),
        beyond=replace(PLAIN, responded_at=last_minute + slow.MINUTE),
        nobody_works=replace(PLAIN, area=nobody_works),
        only_days_off=replace(PLAIN, area=only_days_off),
    )
    load(models, night)
    models.build(*BUSINESS_MINUTES)
    found = {row["order_id"]: row["minutes"] for row in models.rows("int_business_minutes", "1")}
    assert found == {"plain": 8 * 60, "last_minute": (7 + 70 * 8) * 60}


# --- the reference itself, by hand ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "opens", "closes", "worked"),
    [
        ("Asia/Shanghai", date(2026, 3, 29), time(8), time(18), 600),
        ("Asia/Kathmandu", date(2026, 3, 29), time(0), time(23, 59), 1439),
        # 2:00 becomes 3:00: what is skipped is not worked, and closing at 2:30 is closing at 2:00.
        ("America/New_York", date(2026, 3, 8), time(1), time(5), 180),
        ("America/New_York", date(2026, 3, 8), time(1), time(2, 30), 60),
        ("America/New_York", date(2026, 3, 8), time(2, 30), time(4), 60),
        ("America/New_York", date(2026, 3, 8), time(2), time(3), 0),
        # 2:00 becomes 1:00: it is half past one twice.
        ("Europe/Lisbon", date(2025, 10, 26), time(0), time(3), 240),
        ("Europe/Lisbon", date(2025, 10, 26), time(0), time(1, 30), 120),
        ("Europe/Lisbon", date(2025, 10, 26), time(1, 30), time(3), 120),
        # 2:00 becomes 1:30, and in spring 2:30.
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1), time(2), 90),
        ("Australia/Lord_Howe", date(2025, 10, 5), time(2), time(3), 30),
        # Midnight becomes 1:00; and, at the end of the day, 23:00.
        ("Asia/Beirut", date(2026, 3, 29), time(0), time(2), 60),
        ("Asia/Beirut", date(2025, 10, 25), time(22), time(23, 59), 178),
    ],
)
def test_the_reference_works_what_the_clock_on_the_wall_shows(
    zone: str, day: date, opens: time, closes: time, worked: int
) -> None:
    calendar = Calendar((Hours(day.isoweekday(), opens, closes, day, day + DAY),))
    noon = datetime.combine(day, time(12))
    counted = slow.business_minutes(noon - 3 * DAY, noon + 3 * DAY, calendar, zone, [])
    assert counted == worked


def test_the_reference_replaces_a_weekdays_hours_by_the_days_own() -> None:
    week = tuple(Hours(weekday, time(8), time(18), EVER) for weekday in range(1, 6))
    made_up = [SpecialHours(date(2026, 2, 15), time(9), time(12))]
    made_up.append(SpecialHours(date(2026, 2, 15), time(13), time(17)))
    calendar = Calendar(week, (SpecialHours(date(2026, 2, 16)), *made_up))
    friday = datetime(2026, 2, 13)
    daily = [
        slow.business_minutes(friday + n * DAY, friday + (n + 1) * DAY, calendar, "UTC", [])
        for n in range(5)
    ]
    assert daily == [600, 0, 420, 0, 600]


def test_the_reference_stops_the_clock_for_excused_pauses_alone() -> None:
    """Report at 8:00; the pauses overlap, touch, or do not count."""
    eight = datetime(2026, 3, 2, 8)
    hours = [eight + n * timedelta(hours=1) for n in range(100)]
    excused = slow.excused_stretches(
        [
            Pause("parts", hours[1], hours[3]),
            Pause("customer", hours[2], hours[4]),
            Pause("company", hours[4], hours[5]),
            Pause("technician", hours[6], hours[20]),
            Pause("parts", hours[7], hours[8], entered_at=hours[31]),
            Pause("parts", hours[8], hours[9], entered_at=hours[30]),
            Pause("parts", hours[9], hours[10], entered_at=hours[31], evidence_ref="photo"),
        ],
        excused_owners=["parts", "customer", "company"],
        completed_at=hours[30],
        as_of=hours[90],
        open_limit=14 * DAY,
    )
    # One to five, eight to ten.
    assert slow.net_minutes(hours[0], hours[30], excused) == (30 - 4 - 2) * 60
    assert slow.net_limit_ends(hours[0], timedelta(hours=24), excused) == hours[30]
    # A pause that begins as the limit ends no longer moves it.
    assert slow.net_limit_ends(hours[0], timedelta(hours=1), excused) == hours[1]
    assert slow.net_limit_ends(hours[0], timedelta(hours=2), excused) == hours[6]


@pytest.mark.parametrize(
    ("ended_after_days", "as_of_after_days", "lasts_days"),
    [(20, 30, 20), (None, 30, 14), (None, 10, 10), (20, 10, 10), (20, 18, 14)],
)
def test_the_reference_lets_an_open_pause_run_to_the_night_or_its_limit(
    ended_after_days: int | None, as_of_after_days: int, lasts_days: int
) -> None:
    start = datetime(2026, 3, 2, 8)
    [stretch] = slow.excused_stretches(
        [Pause("parts", start, ended_after_days and start + ended_after_days * DAY)],
        excused_owners=["parts"],
        completed_at=None,
        as_of=start + as_of_after_days * DAY,
        open_limit=14 * DAY,
    )
    assert stretch.ended_at - stretch.started_at == lasts_days * DAY


@pytest.mark.parametrize(
    ("assigned", "cancelled", "is_held", "waited"),
    [(3, None, True, 3), (None, None, True, None), (None, None, False, 48), (None, 5, False, 5)],
)
def test_the_reference_waits_for_an_assignment(
    assigned: int | None, cancelled: int | None, is_held: bool, waited: int | None
) -> None:
    eight = datetime(2026, 3, 2, 8)
    hours = [eight + n * timedelta(hours=1) for n in range(100)]
    wait = slow.waiting_time(
        hours[0],
        None if assigned is None else hours[assigned],
        None if cancelled is None else hours[cancelled],
        is_held,
        as_of=hours[48],
        open_limit=14 * DAY,
    )
    assert wait == (None if waited is None else Pause("company", hours[0], hours[waited]))
