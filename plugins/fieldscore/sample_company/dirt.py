"""The rows of a delivery that a gate must catch."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class DirtyRow:
    """One kind of row that a gate must catch and that must not stop a night.

    It is a copy of a good row of the same file with ``changes``; where these name the feed's key,
    the copy is a record of its own. outcome: what must become of it: "rejected", "malformed" (no
    row can be made of the line), "unchanged" (seen before, to the letter), "wins" (the later of two
    equal versions counts) or "kept" (every value is one the feed accepts, but what the row points
    to does not exist, or what it says cannot be).
    """

    kind: str
    feed: str
    changes: dict[str, str]
    outcome: str


_ORDER = {"order_id": "WO-{delivery:%Y%m%d}-{number:02}"}
_SURVEY = {"survey_id": "S-{delivery:%Y%m%d}-{number:02}"}
_EXPENSE = {"expense_id": "E-{delivery:%Y%m%d}-{number:02}"}
_VISIT = {"visit_id": "V-{delivery:%Y%m%d}-{number:02}"}
_PAUSE = {"pause_id": "P-{delivery:%Y%m%d}-{number:02}"}
_COMPLAINT = {"complaint_id": "K-{delivery:%Y%m%d}-{number:02}"}
_INSPECTION = {"inspection_id": "I-{delivery:%Y%m%d}-{number:02}"}
_PART_LINE = {"part_line_id": "L-{delivery:%Y%m%d}-{number:02}"}
_RECOGNITION = {"recognition_id": "R-{delivery:%Y%m%d}-{number:02}"}
_TRAINING = {"training_id": "TN-{delivery:%Y%m%d}-{number:02}"}
_TECHNICIAN = {"technician_id": "T-{delivery:%Y%m%d}-{number:02}"}
_CORRECTION = {"correction_id": "Q-{delivery:%Y%m%d}-{number:02}"}
_LONG_AGO = "2001-01-01T09:00:00+08:00"
# A feed's kinds come in this order. Where a file may be small, the first is one that no share of
# bad values can see: it may be the only dirty row of five.
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
    DirtyRow("duplicate visit", "visits", {}, "unchanged"),
    DirtyRow(
        "visit that ends before it starts", "visits", {**_VISIT, "left_at": _LONG_AGO}, "kept"
    ),
    DirtyRow("unknown outcome", "visits", {**_VISIT, "outcome": "done"}, "rejected"),
    DirtyRow(
        "neither true nor false", "visits", {**_VISIT, "diagnosis_recorded": "perhaps"}, "rejected"
    ),
    DirtyRow(
        "pause that ends before it starts", "pauses", {**_PAUSE, "ended_at": _LONG_AGO}, "kept"
    ),
    DirtyRow("unknown owner", "pauses", {**_PAUSE, "owner": "nobody"}, "rejected"),
    DirtyRow("pause without a start", "pauses", {**_PAUSE, "started_at": ""}, "rejected"),
    DirtyRow(
        "complaint about an unknown order",
        "complaints",
        {**_COMPLAINT, "order_id": "WO99999999"},
        "kept",
    ),
    DirtyRow("final rating 9", "complaints", {**_COMPLAINT, "final_rating": "9"}, "rejected"),
    DirtyRow("unknown category", "complaints", {**_COMPLAINT, "category": "noise"}, "rejected"),
    DirtyRow(
        "complaint of next year",
        "complaints",
        {**_COMPLAINT, "received_at": "{next_year}T09:00:00+08:00"},
        "rejected",
    ),
    DirtyRow(
        "more points than possible",
        "inspections",
        {**_INSPECTION, "points_possible": "10", "points_earned": "12"},
        "kept",
    ),
    DirtyRow("negative points", "inspections", {**_INSPECTION, "points_earned": "-5"}, "rejected"),
    DirtyRow(
        "inspection without points",
        "inspections",
        {**_INSPECTION, "points_possible": ""},
        "rejected",
    ),
    DirtyRow("part of an unknown order", "parts", {**_PART_LINE, "order_id": "WO99999999"}, "kept"),
    DirtyRow("negative quantity", "parts", {**_PART_LINE, "quantity_used": "-1"}, "rejected"),
    DirtyRow("cost in words", "parts", {**_PART_LINE, "unit_cost": "eighty"}, "rejected"),
    DirtyRow(
        "recognition of an unknown technician",
        "recognitions",
        {**_RECOGNITION, "technician_id": "T99999"},
        "kept",
    ),
    DirtyRow("unknown kind", "recognitions", {**_RECOGNITION, "kind": "gift"}, "rejected"),
    DirtyRow(
        "recognition of next year",
        "recognitions",
        {**_RECOGNITION, "occurred_on": "{next_year}"},
        "rejected",
    ),
    DirtyRow(
        "training of an unknown technician",
        "training",
        {**_TRAINING, "technician_id": "T99999"},
        "kept",
    ),
    DirtyRow("score in words", "training", {**_TRAINING, "score_after": "good"}, "rejected"),
    DirtyRow("other minutes of the same day", "roster", {"available_minutes": "455"}, "wins"),
    DirtyRow(
        "2000 minutes a day", "roster", {**_TECHNICIAN, "available_minutes": "2000"}, "rejected"
    ),
    DirtyRow("roster without a day", "roster", {**_TECHNICIAN, "work_date": ""}, "rejected"),
    DirtyRow(
        "correction of an unknown field",
        "corrections",
        {**_CORRECTION, "field": "colour", "decision": "upheld"},
        "kept",
    ),
    DirtyRow(
        "correction of an unknown record",
        "corrections",
        {**_CORRECTION, "target_key": "WO99999999", "decision": "upheld"},
        "kept",
    ),
    DirtyRow("unknown decision", "corrections", {**_CORRECTION, "decision": "maybe"}, "rejected"),
)
GOOD_ROWS_EACH = 5


def dirty_rows() -> tuple[DirtyRow, ...]:
    """The kinds of dirty rows; with ``dirty`` each is at the end of its feed's files.

    A file has at most one dirty row for every five good ones, the first kinds first: a small one
    has some of them or none. ``number`` in their keys is the position in this list.
    """
    return _DIRTY_ROWS


def dirty_lines(feed: str, good: dict[str, str], rows: int, delivery: date) -> list[str]:
    """The dirty lines of a file of so many good rows, made from the text of one, by column."""
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
    return dirty_lines[: rows // GOOD_ROWS_EACH]
