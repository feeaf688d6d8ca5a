"""Business dates: whole local days of the project's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fieldscore.errors import FieldscoreError


def end_of(business_date: date, zone: ZoneInfo) -> datetime:
    """The instant a business date ends (24:00 there), as naive UTC: what a night computes as of."""
    midnight = datetime.combine(business_date + timedelta(days=1), datetime.min.time(), zone)
    return midnight.astimezone(UTC).replace(tzinfo=None)


def last_ended(moment: datetime, zone: ZoneInfo) -> date:
    """The last business date that had ended at an aware moment: what a schedule then scores."""
    return moment.astimezone(zone).date() - timedelta(days=1)


def parse(text: str, name: str = "DATE") -> date:
    """An ISO date a person typed. Raises FieldscoreError naming the argument."""
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise FieldscoreError(f"{name}={text}: not a date; write it like 2026-03-09.") from wrong


def between(first: date, last: date) -> list[date]:
    """Every date from first to last, both included. Raises FieldscoreError when swapped."""
    if last < first:
        raise FieldscoreError(f"FROM={first} lies after TO={last}.")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
