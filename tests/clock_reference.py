"""The clocks, slow and obvious: every minute is looked at, and asked what it is.

What tests/test_clocks.py holds the models against, written from the handbook (2.3) and not from
their SQL. No interval is ever cut, joined or added up here. Moments are whole minutes in UTC,
without tzinfo, as the warehouse stores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Hours:
    """A stretch of every such weekday (1 = Monday): a row of calendar_hours."""

    weekday: int
    opens: time
    closes: time
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True)
class SpecialHours:
    """A stretch of one day, or that day off: a row of calendar_days."""

    day: date
    opens: time | None = None
    closes: time | None = None


@dataclass(frozen=True)
class Calendar:
    hours: tuple[Hours, ...]
    special_hours: tuple[SpecialHours, ...] = ()


@dataclass(frozen=True)
class Pause:
    """A stretch of an order's life, as somebody reported it; without ``ended_at`` it is open."""

    owner: str
    started_at: datetime
    ended_at: datetime | None = None
    entered_at: datetime | None = None
    evidence_ref: str | None = None


@dataclass(frozen=True)
class Stretch:
    """From a moment up to another, which is not in it."""

    started_at: datetime
    ended_at: datetime

    def covers(self, minute: datetime) -> bool:
        return self.started_at <= minute < self.ended_at


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    """Every minute from ``start`` up to ``end``, which is not among them."""
    while start < end:
        yield start
        start += MINUTE


def local_time(minute: datetime, zone: str) -> datetime:
    """What a zone's clocks show: an hour twice, or not at all, where they are put back or on."""
    return minute.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def local_date(minute: datetime, zone: str) -> date:
    """The day it is in a zone."""
    return local_time(minute, zone).date()


def is_working_time(minute: datetime, calendar: Calendar, zone: str) -> bool:
    """Whether the clock on the wall shows opening hours; a day of its own replaces the weekday."""
    shown = local_time(minute, zone)
    day = shown.date()
    stretches: list[Hours] | list[SpecialHours] = [
        special for special in calendar.special_hours if special.day == day
    ] or [
        hours
        for hours in calendar.hours
        if hours.weekday == day.isoweekday()
        and hours.valid_from <= day
        and (hours.valid_to is None or day < hours.valid_to)
    ]
    return any(
        stretch.opens is not None and stretch.opens <= shown.time() < stretch.closes
        for stretch in stretches
    )


def waiting_time(
    reported_at: datetime,
    assigned_at: datetime | None,
    cancelled_at: datetime | None,
    is_known_to_be_held: bool,
    as_of: datetime,
    open_limit: timedelta,
) -> Pause | None:
    """The company's pause before an assignment; a feed that never assigns tells of none.

    is_known_to_be_held: whether a technician holds the order or did the work, whoever assigned it.
    """
    if assigned_at is None and is_known_to_be_held:
        return None
    if assigned_at is None or assigned_at > as_of:
        # It is open; but nobody waits for an assignment of a cancelled order.
        assigned_at = min(as_of, reported_at + open_limit, cancelled_at or as_of)
    return Pause("company", reported_at, assigned_at)


def excused_stretches(
    pauses: Iterable[Pause],
    excused_owners: Iterable[str],
    completed_at: datetime | None,
    as_of: datetime,
    open_limit: timedelta,
) -> list[Stretch]:
    """The pauses that stop the clock, neither merged nor clipped.

    completed_at: what is entered later counts only with evidence. open_limit: how long a pause runs
    that has not ended by the night, if the night does not come sooner.
    """
    return [
        Stretch(
            pause.started_at,
            pause.ended_at
            if pause.ended_at is not None and pause.ended_at <= as_of
            else min(as_of, pause.started_at + open_limit),
        )
        for pause in pauses
        if pause.owner in excused_owners
        and (
            pause.entered_at is None
            or completed_at is None
            or pause.entered_at <= completed_at
            or pause.evidence_ref is not None
        )
    ]


def stands_still(minute: datetime, excused: Iterable[Stretch]) -> bool:
    """Whether at least one excused pause covers the minute."""
    return any(stretch.covers(minute) for stretch in excused)


def net_minutes(start: datetime, end: datetime, excused: list[Stretch]) -> int:
    """Wall-clock minutes of a span, less those in which the clock stands still."""
    return sum(not stands_still(minute, excused) for minute in minutes(start, end))


def business_minutes(
    start: datetime, end: datetime, calendar: Calendar, zone: str, excused: list[Stretch]
) -> int:
    """Working minutes of a span, less those in which the clock stands still."""
    return sum(
        is_working_time(minute, calendar, zone) and not stands_still(minute, excused)
        for minute in minutes(start, end)
    )


def net_limit_ends(start: datetime, limit: timedelta, excused: list[Stretch]) -> datetime:
    """The moment when, from ``start`` on, so much net time has passed."""
    minute = start
    while limit:
        if not stands_still(minute, excused):
            limit -= MINUTE
        minute += MINUTE
    return minute
