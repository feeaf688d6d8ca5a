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


def dirty_lines(feed: str, good: dict[str, str], delivery: date) -> list[str]:
    """The dirty lines of a feed's file, made from the text of a good row by column."""
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
