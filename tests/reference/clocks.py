"""Time: spans, the net clock, working time, and which day it is where.

Moments are aware and in UTC. A span is (start, end); a list of spans is sorted and disjoint.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from reference.exact import held
from reference.policy import Policy

Span = tuple[datetime, datetime]

DAY = timedelta(days=1)
NOTHING = timedelta(0)


# --- spans ---------------------------------------------------------------------------------------


def merged(spans: list[Span]) -> list[Span]:
    """The same time, each moment of it once."""
    disjoint: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if disjoint and start <= disjoint[-1][1]:
            disjoint[-1] = (disjoint[-1][0], max(disjoint[-1][1], end))
        else:
            disjoint.append((start, end))
    return disjoint


def clipped(spans: list[Span], start: datetime, end: datetime) -> list[Span]:
    """What of the spans lies between two moments."""
    parts = [(max(a, start), min(b, end)) for a, b in spans]
    return [(a, b) for a, b in parts if a < b]


def length(spans: list[Span]) -> timedelta:
    return sum((end - start for start, end in spans), NOTHING)


def common(spans: list[Span], others: list[Span]) -> timedelta:
    """How long both last at once."""
    return sum((length(clipped(others, start, end)) for start, end in spans), NOTHING)


def minutes(duration: timedelta) -> Decimal:
    """A duration in minutes, with six decimals."""
    return held(Fraction(duration // timedelta(microseconds=1), 60_000_000), 6)


# --- the net clock -------------------------------------------------------------------------------


def net(start: datetime, end: datetime, pauses: list[Span]) -> timedelta:
    """Wall-clock time less the pauses in it."""
    return end - start - length(clipped(pauses, start, end))


def net_deadline(start: datetime, allowed: timedelta, pauses: list[Span]) -> datetime:
    """The moment at which so much net time has passed since the start."""
    now = start
    for pause_start, pause_end in clipped(pauses, start, datetime.max.replace(tzinfo=UTC)):
        if now + allowed <= pause_start:
            break
        allowed -= pause_start - now
        now = pause_end
    return now + allowed


# --- where ---------------------------------------------------------------------------------------


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins in a zone."""
    return at(day, time(0), zone)


def at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)


def month_of(day: date) -> date:
    return day.replace(day=1)


def months_later(month: date, count: int) -> date:
    years, months = divmod(month.year * 12 + month.month - 1 + count, 12)
    return date(years, months + 1, 1)


# --- working time --------------------------------------------------------------------------------


class Calendars:
    """The working hours of every calendar: weekly hours, holidays, made-up days."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._hours: dict[tuple[str, date], list[tuple[time, time]]] = {}
        self._known = {row["calendar_id"] for row in policy.rows("calendar_hours")}

    def knows(self, calendar_id: str) -> bool:
        return calendar_id in self._known

    def hours(self, calendar_id: str, day: date) -> list[tuple[time, time]]:
        """When work begins and ends on a day; nothing on a day off."""
        if (calendar_id, day) not in self._hours:
            special = [
                row
                for row in self._policy.rows("calendar_days")
                if (row["calendar_id"], row["day"]) == (calendar_id, str(day))
            ]
            weekly = [
                row
                for row in self._policy.in_force("calendar_hours", day)
                if (row["calendar_id"], row["weekday"]) == (calendar_id, str(day.isoweekday()))
            ]
            self._hours[calendar_id, day] = [
                (time.fromisoformat(row["opens"]), time.fromisoformat(row["closes"]))
                for row in special or weekly
                if row["opens"]
            ]
        return self._hours[calendar_id, day]

    def working_spans(
        self, calendar_id: str, zone: ZoneInfo, start: datetime, end: datetime
    ) -> list[Span]:
        """The working time between two moments."""
        spans = []
        day = local_date(start, zone)
        while day <= local_date(end, zone):
            for opens, closes in self.hours(calendar_id, day):
                spans.append((at(day, opens, zone), at(day, closes, zone)))
            day += DAY
        return clipped(merged(spans), start, end)
