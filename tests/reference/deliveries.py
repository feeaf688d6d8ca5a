"""From the files of a landing to typed rows: what is rejected, which version is the newest.

<landing>/<feed>/<YYYY-MM-DD>/<any name>.csv or .csv.gz, in the handbook's column names
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from reference.clocks import local_date, month_of
from reference.policy import normalised

Row = dict[str, object]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Feed:
    """What a feed may hold. Columns that are named nowhere else are text.

    filled: a row without a value is rejected, as it is without a key; happened: a row is rejected
    when this moment or day lies two days ahead of its delivery; words: any other rejects the row;
    bounds: numbers outside reject it; event: what tells when something happened, for the feed's
    start: the first of these columns that is not empty.
    """

    key: str
    columns: str = ""
    filled: str = ""
    moments: str = ""
    days: str = ""
    integers: str = ""
    decimals: str = ""
    booleans: str = ""
    zones: str = ""
    happened: str = ""
    personal: str = ""
    words: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    event: str = ""


FEEDS = {
    "work_orders": Feed(
        key="order_id",
        columns="technician_id area_id customer_id appliance_serial appliance_category fault_code"
        " priority follow_up_of",
        filled="reported_at status updated_at",
        moments="reported_at completed_at updated_at assigned_at accepted_at slot_start slot_end"
        " arrived_at cancelled_at",
        integers="version",
        booleans="in_warranty",
        happened="reported_at updated_at",
        personal="customer_id",
        words={
            "status": "open in_progress completed cancelled",
            "service_type": "repair install maintain inspect recall",
            "slot_requested_by": "customer company",
            "cancel_cause": "customer company technician duplicate test",
            "resolution": "fixed no_fault_found user_education remote_fix irreparable"
            " quote_refused",
        },
        event="reported_at",
    ),
    "surveys": Feed(
        key="survey_id",
        columns="order_id respondent_id comment",
        filled="order_id sent_at updated_at",
        moments="sent_at answered_at updated_at",
        integers="rating recommend",
        happened="sent_at answered_at updated_at",
        personal="respondent_id comment",
        words={
            "channel": "sms phone online",
            "reason": "technician price product dispatch other",
        },
        bounds={"rating": (1, 5), "recommend": (0, 10)},
        event="sent_at",
    ),
    "expenses": Feed(
        key="expense_id",
        columns="technician_id order_id trip_id",
        filled="technician_id incurred_on kind amount status updated_at",
        moments="updated_at",
        days="incurred_on",
        decimals="amount kilometres",
        happened="incurred_on updated_at",
        words={
            "kind": "travel lodging other",
            "status": "submitted approved rejected",
            "currency": "CNY",
        },
        bounds={"amount": (0, None), "kilometres": (0, None)},
        event="incurred_on",
    ),
    "technicians": Feed(
        key="technician_id",
        columns="name area_id team_id grade",
        filled="updated_at",
        moments="updated_at",
        days="hired_on left_on",
        decimals="base_pay",
        happened="updated_at",
        bounds={"base_pay": (0, None)},
    ),
    "areas": Feed(
        key="area_id", columns="name region calendar_id", filled="time_zone", zones="time_zone"
    ),
    "visits": Feed(
        key="visit_id",
        columns="order_id technician_id",
        filled="order_id technician_id role updated_at",
        moments="slot_start slot_end departed_at arrived_at left_at updated_at",
        booleans="diagnosis_recorded",
        happened="departed_at arrived_at left_at updated_at",
        words={
            "role": "lead assistant",
            "outcome": "fixed diagnosed parts_needed no_access refused",
        },
        event="arrived_at slot_start updated_at",
    ),
    "pauses": Feed(
        key="pause_id",
        columns="order_id reason evidence_ref",
        filled="order_id started_at owner",
        moments="started_at ended_at entered_at",
        happened="started_at entered_at",
        words={"owner": "customer parts company third_party technician"},
        event="started_at",
    ),
    "complaints": Feed(
        key="complaint_id",
        columns="order_id evidence_ref",
        filled="order_id received_at updated_at",
        moments="received_at responded_at resolved_at updated_at",
        integers="final_rating",
        booleans="valid",
        happened="received_at responded_at resolved_at updated_at",
        words={"category": "technician product price dispatch"},
        bounds={"final_rating": (1, 5)},
        event="received_at",
    ),
    "inspections": Feed(
        key="inspection_id",
        columns="order_id item evidence_ref",
        filled="order_id inspected_at points_possible points_earned",
        moments="inspected_at",
        decimals="points_possible points_earned",
        happened="inspected_at",
        bounds={"points_possible": (0, None), "points_earned": (0, None)},
        event="inspected_at",
    ),
    "parts": Feed(
        key="part_line_id",
        columns="order_id technician_id part_no",
        filled="order_id technician_id quantity_taken quantity_used unit_cost updated_at",
        moments="updated_at",
        decimals="quantity_taken quantity_used quantity_returned unit_cost",
        happened="updated_at",
        bounds=dict.fromkeys(
            ("quantity_taken", "quantity_used", "quantity_returned", "unit_cost"), (0, None)
        ),
        event="updated_at",
    ),
    "recognitions": Feed(
        key="recognition_id",
        columns="technician_id order_id customer_id evidence_ref approved_by",
        filled="technician_id kind occurred_on",
        days="occurred_on",
        happened="occurred_on",
        personal="customer_id",
        words={"kind": "praise referral new_business repeat_purchase social_mention"},
        event="occurred_on",
    ),
    "training": Feed(
        key="training_id",
        columns="technician_id course",
        filled="technician_id course held_on",
        days="held_on",
        booleans="attended",
        decimals="score_before score_after",
        happened="held_on",
        event="held_on",
    ),
    "roster": Feed(
        key="technician_id work_date",
        filled="available_minutes",
        days="work_date",
        integers="available_minutes",
        bounds={"available_minutes": (0, 1440)},
        event="work_date",
    ),
    "corrections": Feed(
        key="correction_id",
        columns="target_feed target_key field new_value reason evidence_ref requested_by"
        " decided_by",
        filled="target_feed target_key field",
        moments="decided_at",
        happened="decided_at",
        words={"decision": "upheld rejected"},
        event="decided_at",
    ),
}

# What a later code changes only by an upheld correction, so a correction holds from dispatch on.
KNOWN_AT_DISPATCH = {"service_type", "appliance_category", "fault_code"}


@dataclass(frozen=True)
class Reject:
    """A row that is not taken, and why."""

    feed: str
    file: str
    row_number: int
    column: str | None
    reason: str


class Deliveries:
    """What had been delivered by the end of a business date.

    ``versions``: feed → key → its rows, oldest version first, corrections applied; ``starts``: the
    day from which a feed counts, for the feeds that are available; ``rejects``.
    """

    def __init__(
        self,
        landing: Path,
        as_of_date: date,
        as_of: datetime,
        zone: ZoneInfo,
        feeds: set[str] | None = None,
        starts: dict[str, date] | None = None,
    ) -> None:
        self.versions: dict[str, dict[Key, list[Row]]] = {feed: {} for feed in FEEDS}
        self.starts: dict[str, date] = {}
        self.rejects: list[Reject] = []
        for feed in FEEDS:
            if (landing / feed).is_dir() and (feeds is None or feed in feeds):
                self.versions[feed] = self._read(landing, feed, as_of_date, zone)
                events = list(self._events(feed, zone))
                if self.versions[feed]:
                    earliest = month_of(min(events)) if events else date.min
                    self.starts[feed] = (starts or {}).get(feed, earliest)
        self._correct(as_of, zone)

    def newest(self, feed: str) -> list[Row]:
        """The current row of every key."""
        return [versions[-1] for versions in self.versions[feed].values()]

    def counts(self, feed: str, day: date) -> bool:
        """Whether a feed is available and had begun by that day."""
        return feed in self.starts and self.starts[feed] <= day

    # --- reading ---

    def _read(
        self, landing: Path, feed: str, as_of_date: date, zone: ZoneInfo
    ) -> dict[Key, list[Row]]:
        """Every version of every key; one that came again, to the letter, stands in its last
        place."""
        key_columns = FEEDS[feed].key.split()
        found: dict[tuple[object, ...], tuple[tuple[object, ...], Row]] = {}
        for delivered, path in _files(landing / feed, as_of_date):
            check = _Check(feed, delivered, zone)
            name = path.relative_to(landing / feed).as_posix()
            with _opened(path) as file:
                lines = csv.reader(file)
                header = next(lines, [])
                for number, texts in enumerate(lines, start=1):
                    if not texts:
                        continue
                    try:
                        row = check.typed(header, texts)
                    except ValueError as wrong:
                        column, reason = wrong.args
                        self.rejects.append(Reject(feed, name, number, column, reason))
                        continue
                    to_the_letter = check.letters(header, texts)
                    found[to_the_letter] = ((delivered, name, number), row)
        by_key: dict[Key, list[tuple[tuple[object, ...], Row]]] = {}
        for place, row in found.values():
            key = tuple(str(row[column]) for column in key_columns)
            by_key.setdefault(key, []).append((_rank(row) + place, row))
        return {
            key: [row for _, row in sorted(versions, key=lambda version: version[0])]
            for key, versions in by_key.items()
        }

    def _events(self, feed: str, zone: ZoneInfo) -> Iterator[date]:
        """The days on which something happened by what a feed says."""
        columns = FEEDS[feed].event.split()
        for versions in self.versions[feed].values():
            for row in versions:
                event = next((row[column] for column in columns if row[column]), None)
                if isinstance(event, datetime):
                    yield local_date(event, zone)
                elif event:
                    yield event

    # --- corrections ---

    def _correct(self, as_of: datetime, zone: ZoneInfo) -> None:
        """Let every upheld correction hold: it is a later fact about a row, the newest wins."""
        upheld = [
            row
            for row in self.newest("corrections")
            if row["decision"] == "upheld" and row["decided_at"] and row["decided_at"] <= as_of
        ]
        for row in sorted(upheld, key=lambda row: (row["decided_at"], row["correction_id"])):
            feed, column = row["target_feed"], row["field"]
            untouchable = {"updated_at", "version"}
            if feed in FEEDS:
                untouchable |= {*FEEDS[feed].key.split(), *FEEDS[feed].personal.split()}
            versions = self.versions.get(feed, {}).get(tuple(row["target_key"].split("/")))
            if not versions or column in untouchable or column not in versions[-1]:
                continue
            try:
                value = _Check(feed, date.max - timedelta(days=2), zone).value(
                    column, row["new_value"] or ""
                )
            except ValueError:
                continue
            for version in versions:
                says_something = version[column] is not None
                if says_something or version is versions[-1] or column in KNOWN_AT_DISPATCH:
                    version[column] = value


def _files(folder: Path, as_of_date: date) -> Iterator[tuple[date, Path]]:
    """The files of a feed in the order of their dates and names."""
    for day in sorted(folder.iterdir()):
        try:
            delivered = date.fromisoformat(day.name)
        except ValueError:
            continue
        if delivered > as_of_date:
            continue
        files = [path for path in day.rglob("*") if path.name.endswith((".csv", ".csv.gz"))]
        for path in sorted(files, key=lambda path: path.relative_to(day).as_posix().encode()):
            if not path.name.startswith((".", "_")):
                yield delivered, path


def _opened(path: Path):
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rank(row: Row) -> tuple[object, ...]:
    """What makes a version newer than another of its key, before its place is asked."""
    version = row.get("version")
    if version is not None:
        return True, version
    return False, row.get("updated_at") or datetime.min.replace(tzinfo=UTC)


class _Check:
    """Types the rows of one delivery, each whole or not at all: ValueError(column, why)."""

    def __init__(self, feed: str, delivered: date, zone: ZoneInfo) -> None:
        self._feed = FEEDS[feed]
        self._zone = zone
        self._too_late = datetime.combine(delivered + timedelta(days=2), time(0), UTC)
        self._required = {*self._feed.key.split(), *self._feed.filled.split()}
        self._happened = set(self._feed.happened.split())
        self._personal = set(self._feed.personal.split())
        self._kinds: dict[str, Callable[[str], object]] = {
            **dict.fromkeys((*self._feed.key.split(), *self._feed.columns.split()), str),
            **dict.fromkeys(self._feed.words, str),
            **dict.fromkeys(self._feed.moments.split(), lambda text: _moment(text, zone)),
            **dict.fromkeys(self._feed.days.split(), date.fromisoformat),
            **dict.fromkeys(self._feed.integers.split(), _integer),
            **dict.fromkeys(self._feed.decimals.split(), _decimal),
            **dict.fromkeys(self._feed.booleans.split(), _boolean),
            **dict.fromkeys(self._feed.zones.split(), ZoneInfo),
        }
        self._words = {column: set(words.split()) for column, words in self._feed.words.items()}

    def typed(self, header: list[str], texts: list[str]) -> Row:
        """The row in our columns; those that were not delivered are empty."""
        if len(texts) != len(header):
            raise ValueError(None, "wrong number of fields")
        row: Row = dict.fromkeys(self._kinds)
        for column, text in zip(header, texts, strict=True):
            if column in row:
                row[column] = self.value(column, text)
        for column in self._required:
            if row[column] is None:
                raise ValueError(column, "empty")
        return row

    def letters(self, header: list[str], texts: list[str]) -> tuple[str | None, ...]:
        """The row as it was written, in the order of our columns."""
        written = dict(zip(header, texts, strict=True))
        for column in self._personal & set(header):
            written[column] = normalised(written[column])
        return tuple(map(written.get, self._kinds))

    def value(self, column: str, text: str) -> object:
        if text in ("", "NULL"):
            return None
        if "\0" in text:
            raise ValueError(column, "NUL byte")
        if column in self._personal:
            return normalised(text)
        try:
            value = self._kinds[column](text)
        except (ValueError, KeyError, OSError) as wrong:
            raise ValueError(column, f"not readable: {text}") from wrong
        if column in self._words and value not in self._words[column]:
            raise ValueError(column, f"unknown word: {text}")
        if column in self._feed.bounds:
            least, most = self._feed.bounds[column]
            if value < least or (most is not None and value > most):
                raise ValueError(column, f"out of bounds: {text}")
        if column in self._happened and self._moment_of(value) >= self._too_late:
            raise ValueError(column, f"ahead of its delivery: {text}")
        return value

    def _moment_of(self, value: object) -> datetime:
        if isinstance(value, datetime):
            return value
        return datetime.combine(value, time(0), UTC)


@cache
def _moment(text: str, zone: ZoneInfo) -> datetime:
    """An ISO 8601 moment in UTC; without an offset it is the feed's local time."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text):
        raise ValueError(text)
    return Decimal(text)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.casefold()]
