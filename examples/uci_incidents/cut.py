"""Cut the UCI incident event log into nightly deliveries: cut.py LOG.csv.gz LANDING [LAST_DAY].

A row belongs to the day of its sys_updated_at. Up to LAST_DAY (default: the log's last day) every
day gets a delivery, a day without changes its header alone; what was changed later comes as one
delivery on the log's last day. Columns, text and the order of rows stay the log's. Needs nothing
but Python 3.11.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

CHANGED_AT = "sys_updated_at"
FORMAT = "%d/%m/%Y %H:%M"


def cut(log: Path, landing: Path, last_day: date = date.max) -> list[Path]:
    """Write the deliveries and return their files, oldest first.

    last_day: up to which each day is a delivery of its own. Refuses a landing that already holds
    work orders: another cut of them would come on top.
    """
    feed = landing / "work_orders"
    if feed.exists():
        sys.exit(f"{feed} is there already; remove it or name another landing.")
    with gzip.open(log, "rt", encoding="utf-8", newline="") as text:
        header, *lines = text
    changed_at = header.split(",").index(CHANGED_AT)
    by_day = defaultdict(list)
    for line, row in zip(lines, csv.reader(lines), strict=True):
        by_day[datetime.strptime(row[changed_at], FORMAT).date()].append(line)
    first, end = min(by_day), max(by_day)
    nights = (min(last_day, end) - first).days + 1
    deliveries = {first + timedelta(days=n): [] for n in range(nights)}
    for day, changed in by_day.items():
        deliveries.setdefault(day if day <= last_day else end, []).extend(changed)
    return [_write(feed, day, [header, *held]) for day, held in sorted(deliveries.items())]


def _write(feed: Path, day: date, lines: list[str]) -> Path:
    path = feed / day.isoformat() / "incidents.csv"
    path.parent.mkdir(parents=True)
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return path


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    log, landing, *last_day = sys.argv[1:]
    files = cut(Path(log), Path(landing), *map(date.fromisoformat, last_day))
    print(f"{len(files)} deliveries, {files[0].parent.name} to {files[-1].parent.name}")
