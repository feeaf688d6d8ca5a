"""Every clock agrees, to the minute, with tests/clock_reference.py, which walks minute by minute.

The models under test are the ones a night runs: dbt compiles them once, and their SQL is run on
tables filled with many random orders at a time. Orders of a batch do not touch each other, so the
one that differs is shown alone, with the policy of its night, and nothing is shrunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

import clock_reference as reference
import pytest
from clock_reference import Calendar, Hours, Pause, SpecialHours, Stretch
from fieldscore import transform, warehouse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nights import Site, silent
from psycopg import sql
from psycopg.rows import dict_row

# --- the models and the tables they read ---------------------------------------------------------

WORKING_HOURS = ("int_utc_offsets", "int_working_hours")
BUSINESS_MINUTES = (*WORKING_HOURS, "int_measured_spans", "int_business_minutes")

Row = dict[str, Any]


class Models:
    """The intermediate models, as dbt compiles them, on a warehouse in which nothing else is."""

    def __init__(self, site: Site) -> None:
        warehouse_ = site.clear()
        targets = ("+int_order_clocks", "+int_business_minutes")
        # Once by dbt, on nothing delivered: that makes every table, with its types.
        for command in (["build", *transform.NIGHTLY], ["compile"]):
            built = transform.run(warehouse_, *command, "--select", *targets, say=silent)
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
EVER = date(2015, 1, 1)
DAY = timedelta(days=1)


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
class Order:
    """An order in an area with a calendar of its own; ``pauses`` beside the wait for assignment."""

    zone: str
    calendar: Calendar
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
        return reference.local_date(self.reported_at, self.zone)


@dataclass(frozen=True)
class Night:
    """Orders by their ids, as a night sees them."""

    as_of: datetime
    policy: Policy
    orders: dict[str, Order]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis says of it; assert_same shows the order that matters."""
        printer.text(f"<{len(self.orders)} orders as of {self.as_of}>")

    def excused(self, order: Order) -> list[Stretch]:
        """What stops the clock of an order, by the reference."""
        open_limit = self.limit("open_pause_days", order, DAY)
        wait = reference.waiting_time(
            order.reported_at,
            order.assigned_at,
            order.cancelled_at,
            order.is_held or order.completed_at is not None,
            self.as_of,
            open_limit,
        )
        return reference.excused_stretches(
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


@dataclass(frozen=True)
class Season:
    """Weeks in which clocks change."""

    first: datetime
    last: datetime

    @property
    def length(self) -> int:
        return (self.last - self.first) // reference.MINUTE

    def days(self) -> st.SearchStrategy[date]:
        return st.dates(self.first.date(), self.last.date())

    @cache  # noqa: B019 - there are two seasons
    def changes(self, zone: str) -> list[datetime]:
        """When the clocks of a zone change; the zones above do so on whole half hours."""
        moments = [self.first + n * timedelta(minutes=30) for n in range(self.length // 30)]
        ahead = [reference.local_time(moment, zone) - moment for moment in moments]
        return [moments[n] for n in range(1, len(moments)) if ahead[n] != ahead[n - 1]]

    def moments(self, zone: str) -> st.SearchStrategy[datetime]:
        """Moments of the season, most of them within two days of a clock change."""
        anywhere = st.integers(0, self.length).map(lambda n: self.first + n * reference.MINUTE)
        if not (changes := self.changes(zone)):
            return anywhere
        near = st.tuples(st.sampled_from(changes), st.integers(-2880, 2880))
        return near.map(lambda drawn: drawn[0] + drawn[1] * reference.MINUTE) | anywhere


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


@st.composite
def calendars(draw: st.DrawFn, season: Season, zone: str) -> Calendar:
    """Weekly hours, which may change in mid-life, and days off or made up with their own hours."""
    week = st.tuples(st.sets(st.integers(1, 7), min_size=1), HOURS_OF_A_DAY)
    hours = tuple(
        Hours(weekday, opens, closes, week.valid_from, week.valid_to)
        for week in draw(changing(week, season.days()))
        for weekday in week.value[0]
        for opens, closes in week.value[1]
    )
    days = season.moments(zone).map(lambda moment: reference.local_date(moment, zone))
    special = draw(st.dictionaries(days, st.just([(None, None)]) | HOURS_OF_A_DAY, max_size=3))
    return Calendar(
        hours,
        tuple(
            SpecialHours(day, *times) for day, stretches in special.items() for times in stretches
        ),
    )


def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: n * reference.MINUTE)


@st.composite
def pauses(draw: st.DrawFn, reported_at: datetime) -> Pause:
    """A pause in an order's first days, on a grid, so that many touch, or have no length."""
    grid = draw(st.sampled_from([1, 60, 720]))
    started_at = reported_at + draw(st.integers(0, 4320 // grid)) * grid * reference.MINUTE
    length = draw(st.none() | st.integers(0, min(8, 4320 // grid)) | st.integers(0, 4320 // grid))
    return Pause(
        owner="company",
        started_at=started_at,
        ended_at=None if length is None else started_at + length * grid * reference.MINUTE,
        entered_at=reported_at,
    )


@st.composite
def orders(draw: st.DrawFn, season: Season) -> Order:
    zone = draw(st.sampled_from(ZONES))
    reported_at = draw(season.moments(zone))
    # None, soon, or days later.
    delay = minutes(0, 180) | minutes(0, 4320)
    later = st.none() | delay.map(lambda waited: reported_at + waited)
    return Order(
        zone=zone,
        calendar=draw(calendars(season, zone)),
        reported_at=reported_at,
        assigned_at=draw(later),
        is_held=draw(st.booleans()),
        cancelled_at=draw(later),
        responded_at=reported_at + draw(delay),
        is_accepted=draw(st.booleans()),
        completed_at=draw(later),
        customer_slot_end=draw(later),
        pauses=tuple(draw(st.lists(pauses(reported_at), max_size=4))),
    )


@st.composite
def nights(draw: st.DrawFn) -> Night:
    season = draw(st.sampled_from(SEASONS))
    days = season.days()
    policy = Policy(
        on_time_hours=draw(changing(st.integers(0, 72), days)),
        completion_days=draw(changing(st.integers(0, 4), days)),
        open_pause_days=draw(changing(st.just(14) | st.integers(0, 3), days)),
        excused_owners=draw(changing(st.just("company"), days))[: draw(st.integers(0, 2))],
    )
    drawn = draw(st.lists(orders(season), min_size=BATCH, max_size=BATCH))
    return Night(
        # Whatever is told has happened by then; open pauses end at the night or at their limit.
        as_of=season.last + draw(minutes(8 * 1440, 20 * 1440)),
        policy=policy,
        orders={f"WO{n:03}": order for n, order in enumerate(drawn, 1)},
    )


BATCH = 25

walk = settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# --- a night in the tables -----------------------------------------------------------------------


def begin(models: Models, night: Night) -> None:
    """Fill the tables with a night's policy and areas, and its orders as feeds tell of them."""
    models.begin(night.as_of)
    limits = {
        "on_time": night.policy.on_time_hours,
        "completion": night.policy.completion_days,
        "open_pause": night.policy.open_pause_days,
    }
    models.load(
        "limits",
        [
            {"limit_code": code, **in_policy(row, "value")}
            for code, rows in limits.items()
            for row in rows
        ],
    )
    models.load(
        "excused_pause_owners",
        [in_policy(row, "owner") for row in night.policy.excused_owners],
    )
    places = night.orders.items()
    models.load(
        "int_areas",
        [{"area_id": key, "time_zone": order.zone, "calendar_id": key} for key, order in places],
    )
    models.load(
        "calendar_hours",
        [
            {"calendar_id": key, **vars(hours)}
            for key, order in places
            for hours in order.calendar.hours
        ],
    )
    models.load(
        "calendar_days",
        [
            {"calendar_id": key, **vars(hours)}
            for key, order in places
            for hours in order.calendar.special_hours
        ],
    )
    models.load(
        "stg_work_orders_versions",
        [
            {
                "order_id": key,
                "version_no": 1,
                "is_current": True,
                "reported_at": order.reported_at,
                "updated_at": order.reported_at,
            }
            for key, order in places
        ],
    )
    models.build("int_days")
    load_pauses(models, night)
    models.build("int_order_pauses")
    models.load("int_orders", [in_int_orders(key, order) for key, order in places])


def in_policy(row: Dated, column: str) -> Row:
    return {column: row.value, "valid_from": row.valid_from, "valid_to": row.valid_to}


def in_int_orders(order_id: str, order: Order) -> Row:
    return {
        "order_id": order_id,
        "calendar_id": order_id,
        "time_zone": order.zone,
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


def load_pauses(models: Models, night: Night) -> None:
    """Load what the model of pauses reads.

    Today every pause it knows is a wait for assignment, read from the order itself; it merges what
    it finds for an order. So a further pause is loaded as one more wait of the same order.
    """
    models.load(
        "int_orders",
        [in_int_orders(key, order) for key, order in night.orders.items()]
        + [
            in_int_orders(key, order)
            | {
                "technician_id": None,
                "reported_at": pause.started_at,
                "assigned_at": pause.ended_at,
                "cancelled_at": None,
                "first_completed_at": None,
            }
            for key, order in night.orders.items()
            for pause in order.pauses
        ],
    )


def assert_same(night: Night, walked: dict[str, Any], computed: dict[str, Any]) -> None:
    """Every order's value is the walked one; the first that is not is shown with all behind it."""
    for order_id, order in night.orders.items():
        ours, theirs = walked[order_id], computed.get(order_id)
        if ours != theirs:
            if isinstance(ours, set):
                first = min(ours ^ theirs)
                ours, theirs = f"{first}: {first in ours}", f"{first}: {first in theirs}"
            pytest.fail(
                f"walked   {ours}\ncomputed {theirs}\n{order}\nas of {night.as_of}, {night.policy}"
            )
    assert computed.keys() == walked.keys()


# --- the properties ------------------------------------------------------------------------------


@walk
@given(night=nights())
def test_working_hours_are_what_the_clock_on_the_wall_shows(models: Models, night: Night) -> None:
    begin(models, night)
    models.build(*WORKING_HOURS)
    computed: dict[str, set[datetime]] = {key: set() for key in night.orders}
    walked = {}
    stretches = models.rows("int_working_hours", "calendar_id, opens_at")
    for key, order in night.orders.items():
        looked_at = Stretch(order.reported_at - DAY, order.reported_at + DAY)
        walked[key] = {
            minute
            for minute in reference.minutes(looked_at.started_at, looked_at.ended_at)
            if reference.is_working_time(minute, order.calendar, order.zone)
        }
    for stretch in stretches:
        order = night.orders[stretch["calendar_id"]]
        for minute in reference.minutes(
            max(stretch["opens_at"], order.reported_at - DAY),
            min(stretch["closes_at"], order.reported_at + DAY),
        ):
            assert minute not in computed[stretch["calendar_id"]], "a minute counts once"
            assert stretch["day"] == reference.local_date(minute, order.zone)
            computed[stretch["calendar_id"]].add(minute)
    assert_same(night, walked, computed)


@walk
@given(night=nights())
def test_business_minutes_are_the_minutes_one_can_count(models: Models, night: Night) -> None:
    begin(models, night)
    models.build(*BUSINESS_MINUTES)
    walked = {
        key: reference.business_minutes(
            order.reported_at,
            order.responded_at,
            order.calendar,
            order.zone,
            night.excused(order),
        )
        for key, order in night.orders.items()
    }
    found = models.rows("int_business_minutes", "order_id")
    assert {row["clock"] for row in found} == {"response"}
    assert_same(night, walked, {row["order_id"]: row["minutes"] for row in found})


@walk
@given(night=nights())
def test_pauses_cover_the_minutes_in_which_a_clock_stands_still(
    models: Models, night: Night
) -> None:
    begin(models, night)
    walked = {}
    for key, order in night.orders.items():
        excused = night.excused(order)
        ends = [order.reported_at, *(stretch.ended_at for stretch in excused)]
        walked[key] = {
            minute
            for minute in reference.minutes(order.reported_at, max(ends))
            if reference.stands_still(minute, excused)
        }
    computed: dict[str, set[datetime]] = {key: set() for key in night.orders}
    last: Row = {"order_id": None}
    for row in models.rows("int_order_pauses", "order_id, stretch_no"):
        covered = computed[row["order_id"]]
        assert row["paused_before"] == len(covered) * reference.MINUTE
        covered.update(reference.minutes(row["started_at"], row["ended_at"]))
        if row["order_id"] == last["order_id"]:
            assert row["stretch_no"] == last["stretch_no"] + 1
            assert row["started_at"] > last["ended_at"], "touching pauses are one"
        else:
            assert row["stretch_no"] == 1
        last = row
    assert_same(night, walked, computed)


@walk
@given(night=nights())
def test_net_limits_end_when_so_much_net_time_has_passed(models: Models, night: Night) -> None:
    begin(models, night)
    models.build("int_order_clocks")
    walked = {}
    for key, order in night.orders.items():
        excused = night.excused(order)
        due_at, aged_at = (
            max(
                reference.net_limit_ends(order.reported_at, limit, excused),
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
            "due_on": reference.local_date(due_at, order.zone),
            "aged_on": reference.local_date(aged_at, order.zone),
            "gross_minutes": None,
            "net_minutes": None,
        }
        if order.completed_at is not None:
            walked[key]["gross_minutes"] = reference.net_minutes(
                order.reported_at, order.completed_at, []
            )
            walked[key]["net_minutes"] = reference.net_minutes(
                order.reported_at, order.completed_at, excused
            )
    told = [column for clocks in walked.values() for column in clocks]
    computed = {
        row["order_id"]: {column: row[column] for column in dict.fromkeys(told)}
        for row in models.rows("int_order_clocks", "order_id")
    }
    assert_same(night, walked, computed)
