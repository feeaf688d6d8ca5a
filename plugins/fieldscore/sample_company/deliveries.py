"""Rows as text: the files of a delivery, and the rows in them that a gate must catch.

A line is not formatted, it is looked up: every column is a table of byte strings and a position in
it per row, which makes a million lines in two or three seconds.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO

import numpy as np

from fieldscore.sample_company import expenses, orders, surveys, versions
from fieldscore.sample_company.people import AREAS, HOUR, MARGIN, Company, technician_id

# A column is one or more (table, position per row); the table's last entry is empty, so that -1
# is an empty value.
Column = list[tuple[np.ndarray, np.ndarray]]
ROWS_AT_ONCE = 20_000


def words(*texts: str) -> np.ndarray:
    """A table of these texts, quoted as CSV where they need it."""
    quoted = (f'"{t.replace(chr(34), chr(34) * 2)}"' if set(t) & {",", '"'} else t for t in texts)
    return np.array([text.encode() for text in (*quoted, "")])


_FOUR_DIGITS = words(*(f"{n:04}" for n in range(10_000)))
_TWO_DIGITS = words(*(f"{n:02}" for n in range(100)))
_PLAIN = words(*(str(n) for n in range(10_000)))
_TENTHS = words(*(f".{n}" for n in range(10)))


def _word(table: np.ndarray, positions: np.ndarray) -> Column:
    return [(table, positions)]


def _number(prefix: str, numbers: np.ndarray) -> Column:
    """``prefix`` and eight digits; -1 is empty."""
    return [
        (words(prefix), np.minimum(numbers, 0)),
        (_FOUR_DIGITS, np.where(numbers < 0, -1, numbers // 10_000)),
        (_FOUR_DIGITS, np.where(numbers < 0, -1, numbers % 10_000)),
    ]


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    """Another number of eight digits for each, so that neighbours do not look like neighbours."""
    return np.where(
        numbers < 0, numbers, (numbers * np.int64(62_847_109) + 31_415_927) % 100_000_000
    )


@dataclass(frozen=True)
class Texts:
    """The tables that depend on the company: its technicians, and the time around its period."""

    technicians: np.ndarray
    days: np.ndarray
    hours: np.ndarray

    def moment(self, moments: np.ndarray) -> Column:
        second = np.where(moments < 0, -1, moments % HOUR)
        return [(self.hours, moments // HOUR), (_SECONDS, second)]


_SECONDS = words(*(f"{second // 60:02}:{second % 60:02}+08:00" for second in range(HOUR)))


def texts_of(company: Company) -> Texts:
    days = [str(company.start + timedelta(days=day)) for day in range(company.days + MARGIN)]
    return Texts(
        technicians=words(*(technician_id(i) for i in range(len(company.area)))),
        days=words(*days),
        hours=words(*(f"{day}T{hour:02}:" for day in days for hour in range(24))),
    )


_AREAS = words(*(area.area_id for area in AREAS))
_CATEGORIES = words(*(category.name for category in orders.CATEGORIES))
_SERIALS = words(*(category.serial_prefix for category in orders.CATEGORIES))
_SERVICES = words(*orders.SERVICES)
_FAULTS = words(*(fault.code for fault in orders.FAULTS))
_PRIORITIES = words(*orders.PRIORITIES)
_BOOLEANS = words("false", "true")
_REQUESTERS = words(*orders.REQUESTERS)
_STATUSES = words(*orders.STATUSES)
_CAUSES = words(*orders.CAUSES)
_RESOLUTIONS = words(*orders.RESOLUTIONS)
_CHANNELS = words(*surveys.CHANNELS)
_REASONS = words(*surveys.REASONS)
_COMMENTS = words(*surveys.COMMENTS)
_KINDS = words(*expenses.KINDS)
_CLAIM_STATUSES = words(*expenses.STATUSES)


def _work_orders(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    scrambled = _scrambled(rows["serial"])
    serial = [(_SERIALS, np.where(scrambled < 0, -1, rows["category"])), *_number("", scrambled)]
    return {
        "order_id": _number("WO", rows["order"]),
        "version": _word(_PLAIN, rows["version"]),
        "status": _word(_STATUSES, rows["status"]),
        "technician_id": _word(texts.technicians, rows["technician"]),
        "area_id": _word(_AREAS, rows["area"]),
        "customer_id": _number("C", _scrambled(rows["customer"])),
        "appliance_serial": serial,
        "appliance_category": _word(_CATEGORIES, rows["category"]),
        "service_type": _word(_SERVICES, rows["service"]),
        "fault_code": _word(_FAULTS, rows["fault"]),
        "priority": _word(_PRIORITIES, rows["priority"]),
        "in_warranty": _word(_BOOLEANS, rows["in_warranty"]),
        "reported_at": texts.moment(rows["reported"]),
        "assigned_at": texts.moment(rows["assigned"]),
        "accepted_at": texts.moment(rows["accepted"]),
        "slot_start": texts.moment(rows["slot_start"]),
        "slot_end": texts.moment(rows["slot_end"]),
        "slot_requested_by": _word(_REQUESTERS, rows["slot_by"]),
        "arrived_at": texts.moment(rows["arrived"]),
        "completed_at": texts.moment(rows["completed"]),
        "cancelled_at": texts.moment(rows["cancelled"]),
        "cancel_cause": _word(_CAUSES, rows["cause"]),
        "resolution": _word(_RESOLUTIONS, rows["resolution"]),
        "follow_up_of": _number("WO", rows["follow_up_of"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _surveys(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    staff = np.where(rows["respondent"] == surveys.STAFF, 0, -1)
    customer = np.maximum(rows["respondent"], -1)
    return {
        "survey_id": [*_number("S", rows["order"]), (words("", "-1", "-2"), rows["number"])],
        "order_id": _number("WO", rows["order"]),
        "channel": _word(_CHANNELS, rows["channel"]),
        "sent_at": texts.moment(rows["sent"]),
        "answered_at": texts.moment(rows["answered"]),
        "rating": _word(_PLAIN, rows["rating"]),
        "recommend": _word(_PLAIN, rows["recommend"]),
        "reason": _word(_REASONS, rows["reason"]),
        "respondent_id": [*_number("C", _scrambled(customer)), (words("STAFF-01"), staff)],
        "comment": _word(_COMMENTS, rows["comment"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _expenses(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    """A claim by order is E<order>-<kind>, one by trip ET-<technician>-<day>."""
    by_trip = np.where(rows["order"] < 0, 0, -1)
    by_order = -1 - by_trip
    technician = np.where(by_trip == 0, rows["technician"], -1)
    day = np.where(by_trip == 0, rows["day"], -1)
    trip = [(texts.technicians, technician), (words("-"), by_trip), (texts.days, day)]
    suffix = words("-1", "-2", "-3")
    kilometres = rows["tenths_of_km"]
    whole = np.where(kilometres < 0, -1, kilometres // 10)
    tenth = np.where(kilometres < 0, -1, kilometres % 10)
    zero = np.zeros(len(rows), np.int64)
    return {
        "expense_id": [
            *_number("E", rows["order"]),
            (suffix, np.where(by_order == 0, rows["kind"], -1)),
            (words("ET-"), by_trip),
            *trip,
        ],
        "technician_id": _word(texts.technicians, rows["technician"]),
        "incurred_on": _word(texts.days, rows["day"]),
        "kind": _word(_KINDS, rows["kind"]),
        "amount": [
            (_PLAIN, rows["cents"] // 100),
            (words("."), zero),
            (_TWO_DIGITS, rows["cents"] % 100),
        ],
        "currency": _word(words("CNY"), zero),
        "kilometres": [(_PLAIN, whole), (_TENTHS, tenth)],
        "status": _word(_CLAIM_STATUSES, rows["status"]),
        "order_id": _number("WO", rows["order"]),
        "trip_id": [(words("TR-"), by_trip), *trip],
        "updated_at": texts.moment(rows["updated"]),
    }


@dataclass(frozen=True)
class Feed:
    """rows: of which kind; columns: their text; ended: which of them are good models of a row with
    something to say (a completed order, a rating, an approved claim); once: a business date's rows
    without copies."""

    rows: np.dtype
    columns: Callable[[Texts, np.ndarray], dict[str, Column]]
    ended: Callable[[np.ndarray], np.ndarray]
    once: Callable[[np.ndarray], np.ndarray] = lambda rows: rows


FEEDS = {
    "work_orders": Feed(
        versions.VERSION,
        _work_orders,
        lambda rows: rows["completed"] >= 0,
    ),
    "surveys": Feed(
        surveys.SURVEY,
        _surveys,
        lambda rows: rows["rating"] >= 1,
    ),
    "expenses": Feed(
        expenses.EXPENSE,
        _expenses,
        lambda rows: rows["status"] == 1,
        expenses.one_of_each_trip,
    ),
}


def stacked(parts: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """One array of all these rows. As plain bytes: numpy joins structured rows field by field."""
    raw = f"V{dtype.itemsize}"
    return np.concatenate([np.zeros(0, raw), *(part.view(raw) for part in parts)]).view(dtype)


def lines(columns: dict[str, Column]) -> bytearray:
    """The CSV lines of these columns, without a header.

    Every part gets its full width in a sheet of bytes; what is left empty is dropped at the end.
    """
    fields: list[tuple[str, np.dtype]] = []
    for name, column in columns.items():
        fields += [(f"{name} {i}", table.dtype) for i, (table, _) in enumerate(column)]
        fields.append((f"{name} end", np.dtype("S1")))
    line = np.zeros(1, fields)
    for name in columns:
        line[f"{name} end"] = b","
    line[fields[-1][0]] = b"\n"
    count = len(next(iter(columns.values()))[0][1])
    text = bytearray(line.tobytes() * count)
    sheet = np.frombuffer(text, line.dtype)
    for name, column in columns.items():
        for i, (table, positions) in enumerate(column):
            sheet[f"{name} {i}"] = table.take(positions)
    return text.translate(None, b"\0")


@dataclass(frozen=True)
class DirtyRow:
    """One kind of row that a gate must catch and that must not stop a night.

    It is a copy of a good row of the same file with ``changes``; where these name the feed's key,
    the copy is a record of its own. outcome: what must become of it: "rejected", "malformed" (no
    row can be made of the line), "unchanged" (seen before, to the letter), "wins" (the later of two
    equal versions counts) or "kept" (nothing wrong with the row itself, but what it points to does
    not exist).
    """

    kind: str
    feed: str
    changes: dict[str, str]
    outcome: str


_ORDER = {"order_id": "WO-{delivery:%Y%m%d}-{number:02}"}
_SURVEY = {"survey_id": "S-{delivery:%Y%m%d}-{number:02}"}
_EXPENSE = {"expense_id": "E-{delivery:%Y%m%d}-{number:02}"}
_DIRTY_ROWS = (
    DirtyRow("duplicate row", "work_orders", {}, "unchanged"),
    DirtyRow("same key and updated_at, other content", "work_orders", {"priority": "low"}, "wins"),
    DirtyRow(
        "unparsable date", "work_orders", {**_ORDER, "completed_at": "31.02. at noon"}, "rejected"
    ),
    DirtyRow("unknown status", "work_orders", {**_ORDER, "status": "done"}, "rejected"),
    DirtyRow(
        "updated_at a year ahead",
        "work_orders",
        {**_ORDER, "updated_at": "{next_year}T09:00:00+08:00"},
        "rejected",
    ),
    DirtyRow("unknown technician", "work_orders", {**_ORDER, "technician_id": "T99999"}, "kept"),
    DirtyRow("missing order_id", "work_orders", {"order_id": ""}, "rejected"),
    DirtyRow("rating 9", "surveys", {**_SURVEY, "rating": "9"}, "rejected"),
    DirtyRow("unknown order", "surveys", {**_SURVEY, "order_id": "WO99999999"}, "kept"),
    DirtyRow(
        "too many fields", "surveys", {**_SURVEY, "comment": "late, rude, never again"}, "malformed"
    ),
    DirtyRow("negative amount", "expenses", {**_EXPENSE, "amount": "-35.00"}, "rejected"),
    DirtyRow("foreign currency", "expenses", {**_EXPENSE, "currency": "USD"}, "rejected"),
)


def dirty_rows() -> tuple[DirtyRow, ...]:
    """The kinds of dirty rows; with ``dirty`` each is the end of its feed's file in every delivery.

    A file without any good row has none, for want of one to copy. ``number`` in their keys is the
    position in this list.
    """
    return _DIRTY_ROWS


def _dirty_lines(feed: str, good: dict[str, str], delivery: date) -> list[str]:
    dirty_lines = []
    for number, dirty in enumerate(_DIRTY_ROWS, start=1):
        if dirty.feed == feed:
            names = {"number": number, "delivery": delivery}
            names["next_year"] = delivery + timedelta(days=365)
            row = good | {column: text.format(**names) for column, text in dirty.changes.items()}
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(row.values())
            text = line.getvalue()
            # Whoever wrote this line forgot the quotes round a comment with commas.
            dirty_lines.append(text.replace('"', "") if dirty.outcome == "malformed" else text)
    return dirty_lines


class Delivery:
    """The work orders, surveys and expenses of one delivery date, written while their rows come in.

    A context; ``rows`` counts what was written, by feed. A second thread compresses one piece of
    text while the next is made.
    """

    def __init__(
        self, landing: Path, delivered: date, texts: Texts, *, compressed: bool, dirty: bool
    ) -> None:
        self.rows = dict.fromkeys(FEEDS, 0)
        self._date, self._texts, self._dirty = delivered, texts, dirty
        self._waiting: dict[str, list[np.ndarray]] = {feed: [] for feed in FEEDS}
        self._good: dict[str, np.ndarray] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        for name, feed in FEEDS.items():
            folder = landing / name / str(delivered)
            folder.mkdir(parents=True)
            path = folder / (f"{name}.csv.gz" if compressed else f"{name}.csv")
            file = self._open.enter_context(path.open("wb"))
            if compressed:
                # No name and no time in the header; level 1 takes half the time of level 3.
                file = self._open.enter_context(gzip.GzipFile("", "wb", 1, file, mtime=0))
            file.write(",".join(feed.columns(texts, np.zeros(0, feed.rows))).encode() + b"\n")
            self._files[name] = file
        self._writer = self._open.enter_context(ThreadPoolExecutor(1))
        self._writing: Future | None = None

    def add(self, feed: str, rows: np.ndarray) -> None:
        self._waiting[feed].append(rows)
        if sum(map(len, self._waiting[feed])) >= ROWS_AT_ONCE:
            self._write(feed)

    def _write(self, feed: str) -> None:
        rows = stacked(self._waiting[feed], FEEDS[feed].rows)
        self._waiting[feed] = []
        self._append(feed, lines(FEEDS[feed].columns(self._texts, rows)), len(rows))
        ended = np.flatnonzero(FEEDS[feed].ended(rows))
        if len(ended):
            self._good[feed] = rows[ended[-1:]]

    def _append(self, feed: str, text: bytes | bytearray, rows: int) -> None:
        if self._writing:
            self._writing.result()  # raises what went wrong, and lets no more than one piece wait
        self._writing = self._writer.submit(self._files[feed].write, text)
        self.rows[feed] += rows

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        with self._open:
            if failed:
                return
            for feed in FEEDS:
                self._write(feed)
                if self._dirty and feed in self._good:
                    columns = FEEDS[feed].columns(self._texts, self._good[feed])
                    [values] = csv.reader([lines(columns).decode()])
                    dirty = _dirty_lines(feed, dict(zip(columns, values, strict=True)), self._date)
                    self._append(feed, "".join(dirty).encode(), len(dirty))
            self._writing.result()
