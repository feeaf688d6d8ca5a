"""One day's work orders: who reports what, who comes when, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import numpy as np

from fieldscore.sample_company.chance import between, pick, shares, skewed
from fieldscore.sample_company.people import AREAS, DAY, HOUR, MINUTE, NEVER, Company

Draw = Callable[[str], np.ndarray]  # a chance for each order of the day, by what it decides
SLOT = 2 * HOUR

STATUSES = ("open", "in_progress", "completed", "cancelled")
SERVICES = ("repair", "install", "maintain", "inspect", "recall")
RESOLUTIONS = (
    "fixed",
    "no_fault_found",
    "user_education",
    "remote_fix",
    "irreparable",
    "quote_refused",
)
CAUSES = ("customer", "company", "technician", "duplicate", "test")
REQUESTERS = ("customer", "company")
PRIORITIES = ("low", "normal", "high")
FIXED, NO_FAULT_FOUND, USER_EDUCATION, REMOTE, IRREPARABLE, QUOTE_REFUSED = range(len(RESOLUTIONS))
REPAIR = 0
COMPANY = REQUESTERS.index("company")
DUPLICATE = CAUSES.index("duplicate")  # it and what follows it is found out before any visit


@dataclass(frozen=True)
class Category:
    """weight: share of the demand of an average day; peak: its season's extra share on the peak_day
    of the year (0 is 1 January), falling off over half_width days."""

    name: str
    serial_prefix: str
    weight: float
    peak: float = 0.0
    peak_day: int = 0
    half_width: int = 1


CATEGORIES = (
    Category("air_conditioner", "AC-", 28, peak=1.9, peak_day=205, half_width=60),
    Category("refrigerator", "RF-", 16, peak=0.4, peak_day=205, half_width=90),
    Category("washing_machine", "WM-", 18),
    Category("water_heater", "WH-", 15, peak=1.1, peak_day=10, half_width=75),
    Category("range_hood", "RH-", 13, peak=0.5, peak_day=35, half_width=30),
    Category("television", "TV-", 10),
)


@dataclass(frozen=True)
class Fault:
    """weight: how often, within its category; difficulty: factor on coming back; minutes: on site,
    for an average technician; parts: share that needs a part nobody has with him; price: of that
    part, in CNY."""

    category: int
    code: str
    weight: float
    difficulty: float
    minutes: int
    parts: float
    price: int


FAULTS = (
    Fault(0, "COOL-01", 3, 1.0, 60, 0.06, 95),
    Fault(0, "COOL-03", 5, 1.2, 80, 0.13, 680),
    Fault(0, "LEAK-01", 3, 0.9, 55, 0.04, 45),
    Fault(0, "NOISE-02", 2, 1.1, 65, 0.08, 120),
    Fault(0, "POWER-04", 2, 1.0, 60, 0.10, 260),
    Fault(1, "COOL-02", 4, 1.2, 85, 0.15, 560),
    Fault(1, "ICE-01", 2, 0.9, 60, 0.05, 60),
    Fault(1, "NOISE-01", 2, 1.0, 55, 0.06, 85),
    Fault(1, "POWER-04", 1, 1.0, 60, 0.10, 230),
    Fault(2, "DRAIN-01", 4, 0.8, 50, 0.04, 40),
    Fault(2, "LEAK-02", 2, 1.0, 60, 0.07, 55),
    Fault(2, "NOISE-03", 2, 1.1, 65, 0.09, 90),
    Fault(2, "SPIN-02", 3, 1.1, 70, 0.12, 310),
    Fault(3, "HEAT-01", 4, 1.1, 70, 0.12, 180),
    Fault(3, "IGNITE-02", 3, 0.9, 55, 0.05, 75),
    Fault(3, "LEAK-03", 3, 1.0, 65, 0.09, 65),
    Fault(4, "LIGHT-01", 1, 0.7, 30, 0.05, 15),
    Fault(4, "NOISE-04", 2, 1.0, 55, 0.06, 110),
    Fault(4, "SUCTION-01", 4, 0.8, 50, 0.03, 50),
    Fault(5, "POWER-05", 3, 1.0, 55, 0.10, 190),
    Fault(5, "SCREEN-01", 3, 1.3, 60, 0.25, 890),
    Fault(5, "SIGNAL-01", 2, 0.7, 35, 0.01, 30),
    Fault(5, "SOUND-01", 2, 0.9, 45, 0.08, 70),
)
_SERVICE_MINUTES = np.array([0, 110, 50, 35, 45])
_SERVICE_WEIGHTS = (82, 7, 7, 3.5, 0.5)
_WEEKDAYS = (1.2, 1.1, 1.03, 1.0, 1.02, 0.9, 0.75)  # demand, Monday first; on average 1
_REPORT_HOURS = (
    *(0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1, 3, 6, 9, 9.5, 8),
    *(6, 6, 6.5, 6.5, 6, 6, 7, 7.5, 6, 3.5, 1.5, 0.6),
)
_CUSTOMERS_PER_TECHNICIAN = 1_500

ASKED = np.dtype(
    [
        ("order", "i8"),
        ("parent", "i8"),  # the order whose repair did not last, -1 for a new matter
        ("follows", "?"),  # whether the desk noted that order as the one this goes on with
        ("technician", "i4"),  # whom the customer wants back, -1 for anybody
        ("area", "i2"),
        ("customer", "i8"),
        ("category", "i2"),
        ("service", "i2"),
        ("fault", "i2"),  # -1 where there is none or none was noted
        ("reported", "i8"),  # local
    ]
)


@dataclass
class Desk:
    """What the dispatchers remember from day to day.

    busy_until: working seconds (see `_to_work`) at which each technician has done all he was given;
    returns: what will be reported again, by local day.
    """

    busy_until: np.ndarray
    next_order: int = 1
    returns: dict[int, list[np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Orders:
    """The orders reported on one local day with their whole future, one element per order.

    Moments are Shanghai's, NEVER where they do not come. resolution: position in RESOLUTIONS, one
    more where nobody wrote it down. minutes: on site, for an average technician. handed: when the
    order went from its first_holder to its technician. later_slot: the customer asked for another
    day; slot_moved: the company first promised the day before. turned_away: when somebody stood
    before a closed door. departed, arrived, left: of the first visit to an open one; who departed
    and never arrived was called back. needs_part: that was the first of two visits, and
    second_technician was there for the second. completed is the first completion, saved when the
    company's system learned of it. again_arrived: for what was reopened.
    """

    day: int
    asked: np.ndarray
    first_holder: np.ndarray
    technician: np.ndarray
    second_technician: np.ndarray
    resolution: np.ndarray
    cause: np.ndarray
    in_warranty: np.ndarray
    minutes: np.ndarray
    needs_part: np.ndarray
    later_slot: np.ndarray
    slot_by: np.ndarray
    slot_moved: np.ndarray
    reported: np.ndarray
    assigned: np.ndarray
    handed: np.ndarray
    accepted: np.ndarray
    slot_start: np.ndarray
    turned_away: np.ndarray
    departed: np.ndarray
    arrived: np.ndarray
    arrived_local: np.ndarray
    left: np.ndarray
    second_arrived: np.ndarray
    cancelled: np.ndarray
    completed: np.ndarray
    saved: np.ndarray
    reopened: np.ndarray
    again_arrived: np.ndarray
    completed_again: np.ndarray


def season(day_of_year: int) -> list[float]:
    """The demand of each category on that day, 1.0 in all on the year's average day."""
    return [demand / _average_demand() for demand in _demand(day_of_year)]


def _demand(day_of_year: int) -> list[float]:
    demand = []
    for category in CATEGORIES:
        apart = abs(day_of_year - category.peak_day)
        apart = min(apart, 365 - apart)
        bump = max(0.0, 1 - (apart / category.half_width) ** 2) ** 2
        demand.append(category.weight * (1 + category.peak * bump))
    return demand


@cache
def _average_demand() -> float:
    return sum(sum(_demand(day)) for day in range(365)) / 365


def orders_of(company: Company, desk: Desk, day: int) -> Orders:
    """Take the reports of a local day and let their orders run to the end."""
    asked = _asked(company, desk, day)

    def draw(what: str) -> np.ndarray:
        return company.draw(what, asked["order"])

    first_holder, technician = _holders(company, asked, day, draw)
    fate = _fate(asked, draw)
    area, reported = asked["area"], asked["reported"]
    # Who is given more orders a day is given less to do for each of them.
    pace = company.pace[technician] * min(1.0, 2.5 / company.orders_per_technician_day)

    # The wall clock of the area: dispatched, accepted, visited, done.
    handed_over = first_holder != technician
    assigned = _daytime(reported + _seconds(9, draw("dispatch"), 0.8), 7.5, 20.5, draw("morning"))
    handed = assigned + between(draw("handed"), 10, 90) * MINUTE
    accepted = np.where(handed_over, handed, assigned) + _seconds(15 * pace, draw("accept"), 0.9)
    accepted = _daytime(accepted, 7, 21, draw("accept morning"))

    on_site = _seconds(fate.minutes * pace, draw("on site"), 0.3)
    start = _to_work(accepted) + _seconds(100 * pace, draw("preparation"), 0.85)
    queues = ~(fate.remote | fate.early_cancel | fate.later_slot)
    start[queues] = _queued(
        start[queues],
        (on_site + _seconds(35 * pace, draw("way"), 0.4))[queues],
        technician[queues],
        desk.busy_until,
    )
    wished = (accepted // DAY + 1 + pick(draw("wished day"), (30, 24, 16, 11, 8, 6, 5))) * DAY
    wished += np.array([8, 10, 13, 15, 17])[between(draw("wished hour"), 0, 4)] * HOUR
    punctual = wished + (draw("punctual") * 130 * company.pace[technician]).astype(int) * MINUTE
    arrived = np.where(fate.later_slot, punctual, _from_work(start))

    second_visit = _daytime(
        arrived + _seconds(2.6 * 24 * 60, draw("part comes"), 0.85), 8.5, 18, draw("part morning")
    )
    done = np.where(fate.needs_part, second_visit, arrived) + on_site
    by_phone = accepted + between(draw("on the phone"), 10, 50) * MINUTE
    done = np.where(fate.remote, by_phone, done)
    # A duplicate or a test is found out sooner than a customer changes his mind.
    waited = (
        draw("cancelled at") * np.where(fate.cause < DUPLICATE, 1.0, 0.3) * (arrived - reported)
    )
    cancelled = np.where(
        fate.on_site_cancel,
        arrived + between(draw("on site until"), 5, 40) * MINUTE,
        reported + MINUTE + waited.astype(np.int64),
    )

    # The slot: two hours round the visit, sometimes promised too early; or what the customer wants.
    slot_start = arrived - arrived % SLOT - SLOT * (draw("slot missed") < 0.08)
    slot_start = np.where(fate.later_slot, wished, slot_start)
    slot_by = (~fate.later_slot & (draw("slot by") < 0.75)).astype(np.int64)
    has_slot = ~fate.remote & (fate.later_slot | (draw("slot") < 0.75)) & (slot_start > reported)
    slot_moved = (slot_by == COMPANY) & (slot_start - DAY > assigned) & (draw("slot moved") < 0.1)

    # The way there; a customer who changes his mind may do so while somebody is on it.
    visited = ~(fate.remote | fate.early_cancel)
    way = np.array([place.kilometres for place in AREAS])[area] * 2.5
    departed = np.maximum(arrived - _seconds(way, draw("way there"), 0.4), accepted)
    called_back = ~fate.remote & fate.early_cancel & (fate.cause < DUPLICATE)
    called_back &= (departed < cancelled) & (cancelled < arrived)
    turned_away, is_turned_away = _turned_away(accepted, arrived, draw)
    diagnosed = arrived + between(draw("diagnosis"), 15, 24) * MINUTE
    left = np.where(fate.on_site_cancel, cancelled, np.where(fate.needs_part, diagnosed, done))

    finished = ~(fate.early_cancel | fate.on_site_cancel | fate.forgotten)
    fixed_there = (asked["service"] == REPAIR) & (fate.resolution == FIXED)
    careless = 0.011 * (1 - 0.35 * company.latent.fix_quality[technician])
    comes_open = finished & fixed_there & (draw("reopened") < careless)
    reopened = done + 2 * HOUR + (draw("reopened after") ** 2 * 10 * DAY).astype(np.int64)
    reopened = _daytime(reopened, 8, 20, draw("reopened morning"))
    done_again = _daytime(
        reopened + _seconds(20 * 60, draw("done again after"), 0.6), 9, 19, draw("again morning")
    )
    again_arrived = done_again - between(draw("again on site"), 15, 50) * MINUTE
    others = company.anybody(day, area, draw("other for the second visit"))
    by_another = fate.needs_part & (draw("second visit by another") < 0.12)

    def moment(local: np.ndarray, happens: np.ndarray | bool = True) -> np.ndarray:
        return np.where(happens, company.moment(area, local), NEVER)

    completed = moment(done, finished)
    _return(company, desk, asked, technician, done, fate, finished & ~comes_open)
    return Orders(
        day=day,
        asked=asked,
        first_holder=first_holder,
        technician=technician,
        second_technician=np.where(by_another, others, technician),
        resolution=fate.resolution,
        cause=fate.cause,
        in_warranty=fate.in_warranty,
        minutes=fate.minutes,
        needs_part=fate.needs_part,
        later_slot=fate.later_slot,
        slot_by=slot_by,
        slot_moved=slot_moved,
        reported=moment(reported),
        assigned=moment(assigned, ~fate.early_cancel | (assigned < cancelled)),
        handed=moment(handed, handed_over),
        accepted=moment(accepted),
        slot_start=moment(slot_start, has_slot),
        turned_away=moment(turned_away, visited & is_turned_away),
        departed=moment(departed, visited | called_back),
        arrived=moment(arrived, visited),
        arrived_local=arrived,
        left=moment(left, visited & (fate.needs_part | ~fate.forgotten)),
        second_arrived=moment(second_visit, fate.needs_part & finished),
        cancelled=moment(cancelled, fate.early_cancel | fate.on_site_cancel),
        completed=completed,
        saved=np.where(finished, completed + (draw("saved") * 15 * MINUTE).astype(np.int64), NEVER),
        reopened=moment(reopened, comes_open),
        again_arrived=moment(again_arrived, comes_open),
        completed_again=moment(done_again, comes_open),
    )


def _asked(company: Company, desk: Desk, day: int) -> np.ndarray:
    """What is reported on a local day: new matters by season and weekday, and what comes back."""
    today = company.start + timedelta(days=day)
    demand = season(min(today.timetuple().tm_yday - 1, 364))
    employed, _ = company.crew(day)
    heads = np.bincount(company.areas_on(day)[employed], minlength=len(AREAS))
    area = np.arange(len(AREAS))
    expected = (
        heads
        * (company.orders_per_technician_day * 5 / 7 * sum(demand) * _WEEKDAYS[today.weekday()])
        * (0.85 + 0.3 * company.draw("how busy", area, area * 0 + day))
    )
    new = (expected + company.draw("rounding", area, area * 0 + day)).astype(np.int64)

    asked = np.zeros(new.sum(), ASKED)
    asked["order"] = desk.next_order + np.arange(len(asked))
    asked["parent"] = asked["technician"] = -1
    asked["area"] = area = np.repeat(area, new)

    def draw(what: str) -> np.ndarray:
        return company.draw(what, asked["order"])

    customers = np.maximum(np.bincount(company.area, minlength=len(AREAS)), 1)
    customers *= _CUSTOMERS_PER_TECHNICIAN
    first_customer = np.cumsum(customers) - customers
    asked["customer"] = first_customer[area] + (draw("customer") * customers[area]).astype(np.int64)
    asked["category"] = category = pick(draw("category"), demand)
    asked["service"] = pick(draw("service"), _SERVICE_WEIGHTS)
    fault = fault_of(draw("fault"), category)
    noted = (asked["service"] == REPAIR) & (draw("fault noted") >= 0.02)
    asked["fault"] = np.where(noted, fault, -1)
    asked["reported"] = day * DAY + _time_of_day(draw("hour"), draw("second"))

    returned = np.concatenate([asked[:0], *desk.returns.pop(day, [])])
    returned = returned[heads[returned["area"]] > 0]
    returned["order"] = desk.next_order + len(asked) + np.arange(len(returned))
    asked = np.concatenate([asked, returned])
    desk.next_order += len(asked)
    return asked


def _time_of_day(hour: np.ndarray, second: np.ndarray) -> np.ndarray:
    return pick(hour, _REPORT_HOURS) * HOUR + (second * HOUR).astype(np.int64)


@cache
def _fault_shares() -> tuple[np.ndarray, np.ndarray]:
    """The first fault of each category, and where each of its faults' shares ends (from 0 to 1)."""
    first, ends = [], []
    for category in range(len(CATEGORIES)):
        own = [i for i, fault in enumerate(FAULTS) if fault.category == category]
        first.append(own[0])
        ends.append((shares([FAULTS[i].weight for i in own]) + [1.0] * len(FAULTS))[:8])
    return np.array(first), np.array(ends)


def fault_of(draw: np.ndarray, category: np.ndarray) -> np.ndarray:
    """A fault of the category, as often as it happens."""
    first, ends = _fault_shares()
    return first[category] + (draw[:, None] >= ends[category]).sum(axis=1)


@dataclass(frozen=True)
class Fate:
    """What becomes of orders, before it is known when: masks, and as in `Orders`.

    minutes: an average technician's on site; difficulty: factor on coming back; early_cancel:
    before anybody came.
    """

    resolution: np.ndarray
    cause: np.ndarray
    in_warranty: np.ndarray
    minutes: np.ndarray
    difficulty: np.ndarray
    remote: np.ndarray
    early_cancel: np.ndarray
    on_site_cancel: np.ndarray
    needs_part: np.ndarray
    forgotten: np.ndarray
    later_slot: np.ndarray


def _fate(asked: np.ndarray, draw: Draw) -> Fate:
    repair = asked["service"] == REPAIR
    fault = np.maximum(asked["fault"], 0)  # a fault nobody noted is as hard as the first one
    in_warranty = draw("in warranty") < 0.55
    remote = repair & (draw("remote") < 0.045)
    cancelling = draw("cancelled") < np.where(asked["parent"] < 0, 0.062, 0.03)
    cause = pick(draw("cause"), (60, 12, 6, 17, 5))
    on_site_cancel = cancelling & (draw("cancelled on site") < 0.22) & (cause < DUPLICATE) & ~remote
    early_cancel = cancelling & ~on_site_cancel
    parts = np.array([f.parts for f in FAULTS])[fault]
    needs_part = repair & ~remote & ~cancelling & (draw("part") < parts)

    # What is not a repair is simply done. 6: nobody wrote down how it ended.
    resolution = pick(draw("resolution"), (885, 40, 35, 0, 20, 15, 5))
    resolution[~repair | (in_warranty & (resolution == QUOTE_REFUSED))] = FIXED
    resolution[needs_part & (resolution != IRREPARABLE)] = FIXED
    resolution[remote] = REMOTE
    later_slot = draw("later slot") < np.where(repair, 0.055, 0.25)
    minutes = np.array([f.minutes for f in FAULTS])[fault]
    return Fate(
        resolution=resolution,
        cause=cause,
        in_warranty=in_warranty,
        minutes=np.where(repair, minutes, _SERVICE_MINUTES[asked["service"]]),
        difficulty=np.array([f.difficulty for f in FAULTS])[fault],
        remote=remote,
        early_cancel=early_cancel,
        on_site_cancel=on_site_cancel,
        needs_part=needs_part,
        forgotten=~cancelling & (draw("forgotten") < 0.014),
        later_slot=later_slot & ~remote & ~early_cancel,
    )


def _holders(
    company: Company, asked: np.ndarray, day: int, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """Who is given each order first, and who has it in the end."""
    employed, _ = company.crew(day)
    wanted, area = asked["technician"], asked["area"]
    again = (wanted >= 0) & employed[wanted] & (company.areas_on(day)[wanted] == area)
    technician = np.where(again, wanted, company.anybody(day, area, draw("technician")))
    handed_on = (draw("changes hands") < 0.04) & ~again
    other = np.where(handed_on, company.anybody(day, area, draw("other")), technician)
    return technician, other


def _queued(
    ready: np.ndarray, occupied: np.ndarray, technician: np.ndarray, busy_until: np.ndarray
) -> np.ndarray:
    """When each visit starts if everybody does one job after the other, in the order of readiness.

    All in working seconds; ``busy_until`` is moved on. start = max(ready, end of the job before):
    less the work ahead of it, that is a running maximum, which one pass finds for all technicians
    when their numbers keep them apart.
    """
    if not len(ready):
        return ready
    line = np.lexsort((ready, technician))
    ready, occupied, technician = ready[line], occupied[line], technician[line]
    first = np.concatenate(([True], technician[1:] != technician[:-1]))
    ready[first] = np.maximum(ready[first], busy_until[technician[first]])
    ahead = np.cumsum(occupied) - occupied
    apart = np.cumsum(first) * NEVER
    start = np.maximum.accumulate(ready - ahead + apart) - apart + ahead
    last = np.concatenate((first[1:], [True]))
    busy_until[technician[last]] = (start + occupied)[last]
    result = np.empty_like(start)
    result[line] = start
    return result


def _turned_away(
    accepted: np.ndarray, arrived: np.ndarray, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """When somebody came before the visit and nobody opened, and whether that happened."""
    local = accepted + ((0.2 + 0.6 * draw("stood there at")) * (arrived - accepted)).astype(int)
    time = local % DAY
    while_open = (time >= _OPENS) & (time < _OPENS + _WORKDAY)
    return local, while_open & (arrived - local > 2 * HOUR) & (draw("nobody at home") < 0.13)


def _return(
    company: Company,
    desk: Desk,
    asked: np.ndarray,
    technician: np.ndarray,
    done: np.ndarray,
    fate: Fate,
    may_return: np.ndarray,
) -> None:
    """Put repairs that did not last on the desk, for the day on which they will be reported again.

    Within 6 days with a probability from 4 to 12 % by fix quality (and difficulty), as many again
    times 0.6 between 8 and 29 days. One in ten comes back with another fault.
    """

    def draw(what: str) -> np.ndarray:
        return company.draw(what, asked["order"])

    fix_quality = company.latent.fix_quality[technician]
    soon = np.minimum(np.maximum(0.075 - 0.02 * fix_quality, 0.04), 0.12) * fate.difficulty
    comes_back = draw("comes back")
    may_return = may_return & (asked["service"] == REPAIR) & (fate.resolution <= REMOTE)
    back = np.flatnonzero(may_return & (comes_back < 1.6 * soon))
    soon = (comes_back < soon)[back]
    days = np.where(
        soon,
        1 + pick(draw("back soon")[back], (25, 22, 18, 14, 11, 10)),
        between(draw("back later")[back], 8, 29),
    )
    again = asked[back].copy()
    again["parent"] = again["order"]
    again["follows"] = soon & (draw("noted as follow-up")[back] < 0.3)
    same = draw("same technician")[back] < 0.55
    again["technician"] = np.where(same, technician[back], -1)
    other = fault_of(draw("fault next time")[back], again["category"])
    again["fault"] = np.where(draw("another fault")[back] < 0.1, other, again["fault"])
    day = done[back] // DAY + days
    again["reported"] = day * DAY + _time_of_day(
        draw("hour again")[back], draw("second again")[back]
    )
    for when in np.unique(day[day < company.days]):
        desk.returns.setdefault(int(when), []).append(again[day == when])


def _seconds(median: float | np.ndarray, draw: np.ndarray, spread: float) -> np.ndarray:
    """Seconds, at least sixty, spread around a median given in minutes."""
    return np.maximum((median * skewed(draw, spread) * MINUTE).astype(np.int64), MINUTE)


def _daytime(local: np.ndarray, opens: float, closes: float, draw: np.ndarray) -> np.ndarray:
    """The moment where it lies between those hours, else one in the first hour after opening."""
    day, time = local // DAY, local % DAY
    opening = (day + (time >= closes * HOUR)) * DAY + int(opens * HOUR)
    within = (time >= opens * HOUR) & (time < closes * HOUR)
    return np.where(within, local, opening + (draw * HOUR).astype(np.int64))


# Working seconds: seconds since the sample's first morning, counting only 8:30 to 18:30.
_OPENS = 8 * HOUR + 30 * MINUTE
_WORKDAY = 10 * HOUR


def _to_work(local: np.ndarray) -> np.ndarray:
    return local // DAY * _WORKDAY + np.clip(local % DAY - _OPENS, 0, _WORKDAY)


def _from_work(working: np.ndarray) -> np.ndarray:
    return working // _WORKDAY * DAY + _OPENS + working % _WORKDAY
