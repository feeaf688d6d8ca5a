"""A believable company to score: deterministic deliveries of any size, dirty rows included.

A home-appliance after-sales company with some thousand orders a week, reported through the day, the
week and the seasons, is simulated local day by local day. What an order, a survey or a claim will
become is decided when the order is reported, and so is all that other feeds will tell of it: who
was there, what stood still, who complained, what was corrected. Each version waits for its own
business date. So memory holds some days of the company, however long its history.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from calendar import monthrange
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from fieldscore.errors import FieldscoreError
from fieldscore.sample_company.columns import FEEDS, Feed, texts_of
from fieldscore.sample_company.complaints import complaints_of
from fieldscore.sample_company.corrections import corrections_of
from fieldscore.sample_company.deliveries import Delivery, stacked
from fieldscore.sample_company.dirt import DirtyRow, dirty_rows
from fieldscore.sample_company.expenses import expenses_of
from fieldscore.sample_company.inspections import inspections_of
from fieldscore.sample_company.orders import Desk, orders_of
from fieldscore.sample_company.parts import parts_of
from fieldscore.sample_company.pauses import pauses_of
from fieldscore.sample_company.people import (
    AREAS,
    DAY,
    TECHNICIAN_COLUMNS,
    Company,
    found,
    truth,
)
from fieldscore.sample_company.recognitions import recognitions_of
from fieldscore.sample_company.roster import Duty, roster_of
from fieldscore.sample_company.surveys import contentment, surveys_of
from fieldscore.sample_company.training import training_of
from fieldscore.sample_company.versions import versions_of
from fieldscore.sample_company.visits import trips_of, visits_of

__all__ = ["DirtyRow", "dirty_rows", "generate", "truth"]

MARKER = ".sample_company.json"
MOST_TECHNICIANS = 50_000
MOST_ORDERS = 90_000_000  # order numbers have eight digits; some of them stay free for dirty rows


def generate(
    landing: Path,
    *,
    technicians: int = 200,
    months: int = 14,
    until: date = date(2026, 3, 9),
    nights: int = 3,
    seed: int = 1,
    orders_per_technician_day: float = 2.5,
    dirty: bool = True,
    progress: Callable[[str], None] = print,
) -> Path:
    """Write the sample company's deliveries to ``<landing>/<feed>/<date>/`` and return landing.

    months: calendar months up to and including that of ``until``, the last business date
    (Asia/Shanghai). The last ``nights`` business dates are delivered night by night (csv); all
    before them comes as one delivery a month (csv.gz), dated the month's last day or, for the last
    one, the day before the first night. orders_per_technician_day: reported orders per technician
    and working day, five a week, on the average day of the year. dirty: add `dirty_rows`.

    The same arguments give the same bytes on every machine (the same text, where another zlib
    compresses it); a landing that holds their result already is left as it is. The folder appears
    when everything is in it. Raises FieldscoreError for arguments that make no company, and where
    ``landing`` holds something else.
    """
    arguments = {
        "technicians": technicians,
        "months": months,
        "until": str(until),
        "nights": nights,
        "seed": seed,
        "orders_per_technician_day": orders_per_technician_day,
        "dirty": dirty,
    }
    start, days = _period(arguments, until)
    if _holds(landing, arguments):
        progress(f"{landing}: the sample company is there already")
        return landing
    draft = landing.with_name(f".{landing.name}.draft")
    with _alone(draft):
        if not _holds(landing, arguments):  # else another process made it while this one waited
            for left in draft.iterdir():  # by a generation that was killed
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            company = found(technicians, seed, start, days, orders_per_technician_day)
            rows = _simulate(company, draft, nights, dirty, progress)
            made = {"arguments": arguments, "rows": rows}
            (draft / MARKER).write_text(json.dumps(made, indent=2) + "\n")
            draft.replace(landing)
    return landing


def _period(arguments: dict, until: date) -> tuple[date, int]:
    """The first day and the number of days.

    Raises a FieldscoreError that names the first argument no company can be made of.
    """
    _within(arguments, technicians=(1, MOST_TECHNICIANS), months=(1, 120), seed=(0, 2**63 - 1))
    _within(arguments, orders_per_technician_day=(0.1, 20))
    _within({"year of until": until.year}, **{"year of until": (2000, 2100)})
    year, month = divmod(until.year * 12 + until.month - arguments["months"], 12)
    start = date(year, month + 1, 1)
    days = (until - start).days + 1
    _within(arguments, nights=(0, days))
    technicians, rate = arguments["technicians"], arguments["orders_per_technician_day"]
    if technicians * rate * days > MOST_ORDERS:
        raise FieldscoreError(
            f"sample company: {technicians} technicians with {rate} orders a day, for {days} days,"
            f" are more than {MOST_ORDERS:,} orders; take less of one of them."
        )
    return start, days


def _within(arguments: dict, **limits: tuple[float, float]) -> None:
    for name, (least, most) in limits.items():
        if not least <= arguments[name] <= most:
            raise FieldscoreError(
                f"sample company: {name} is {arguments[name]}; it must be from {least} to {most}."
            )


def _holds(landing: Path, arguments: dict) -> bool:
    """Whether landing is the complete result of these arguments; False where it is still empty.

    Raises FieldscoreError where it holds anything else.
    """
    marker = landing / MARKER
    if marker.exists():
        recorded = json.loads(marker.read_text())["arguments"]
        if recorded == arguments:
            return True
        other = ", ".join(f"{k}={v}" for k, v in recorded.items() if arguments.get(k) != v)
        raise FieldscoreError(
            f"{landing} holds a sample company made with {other}; delete that folder or choose"
            " another one."
        )
    if landing.exists() and any(landing.iterdir()):
        raise FieldscoreError(
            f"{landing} holds deliveries that are not the sample company's; choose another folder."
        )
    return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make the folder and be the only process that works in it; a killed one lets go of it too."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _simulate(
    company: Company, landing: Path, nights: int, dirty: bool, progress: Callable[[str], None]
) -> dict[str, int]:
    """Write all deliveries; return the rows of each feed."""
    texts = texts_of(company)
    desk = Desk(busy_until=np.zeros(len(company.area), np.int64))
    duty = Duty(len(company.area))
    waiting: dict[str, dict[int, list[np.ndarray]]] = {feed: {} for feed in FEEDS}
    total = dict.fromkeys(FEEDS, 0)
    for first, last in _windows(company, nights):
        delivered = company.start + timedelta(days=last)
        night = last >= company.days - nights
        with Delivery(landing, delivered, texts, compressed=not night, dirty=dirty) as delivery:
            for day in range(first, last + 1):
                for feed, rows in _day(company, desk, duty, day).items():
                    _wait(waiting[feed], rows, company.days)
                for feed, rows_by_day in waiting.items():
                    delivery.add(feed, _come(rows_by_day, day, FEEDS[feed]))
        _write_people(company, landing, delivered, first, last)
        for feed, rows in delivery.rows.items():
            total[feed] += rows
        orders = delivery.rows["work_orders"]
        others = sum(delivery.rows.values()) - orders
        progress(f"{delivered}: {orders:,} work_orders, {others:,} rows of other feeds")
    return total


def _day(company: Company, desk: Desk, duty: Duty, day: int) -> dict[str, np.ndarray]:
    """Every row, by feed, that a local day leads to: its orders' whole future, and its roster."""
    orders = orders_of(company, desk, day)
    content = contentment(company, orders)
    surveys = surveys_of(company, orders, content)
    expenses = expenses_of(company, orders)
    trips = trips_of(company, orders)
    duty.note(company, trips)
    return {
        "work_orders": versions_of(company, orders),
        "surveys": surveys,
        "expenses": expenses,
        "visits": visits_of(company, trips),
        "pauses": pauses_of(company, orders),
        "complaints": complaints_of(company, orders, content),
        "inspections": inspections_of(company, orders),
        "parts": parts_of(company, orders),
        "recognitions": recognitions_of(company, orders, content),
        "training": training_of(company, day),
        "roster": roster_of(company, duty, day),
        "corrections": corrections_of(company, orders, surveys, expenses),
    }


def _windows(company: Company, nights: int) -> Iterator[tuple[int, int]]:
    """First and last day of every delivery; it is dated the last."""
    first = 0
    while first < company.days:
        last = first
        if first < company.days - nights:
            today = company.start + timedelta(days=first)
            month_end = first + monthrange(today.year, today.month)[1] - today.day
            last = min(month_end, company.days - nights - 1)
        yield first, last
        first = last + 1


def _wait(rows_by_day: dict[int, list[np.ndarray]], rows: np.ndarray, days: int) -> None:
    """Keep rows for the business date they come to be on; none lies behind the last date."""
    day = rows["updated"] // DAY
    order = np.argsort(day, kind="stable")
    dates, first = np.unique(day[order], return_index=True)
    for when, part in zip(dates.tolist(), np.split(order, first[1:]), strict=False):
        if when < days:
            rows_by_day.setdefault(when, []).append(rows.take(part))


def _come(rows_by_day: dict[int, list[np.ndarray]], day: int, feed: Feed) -> np.ndarray:
    """The rows of a business date in the order in which they came to be."""
    rows = stacked(rows_by_day.pop(day, []), feed.rows)
    return feed.once(rows.take(np.argsort(rows["updated"], kind="stable")))


def _write_people(company: Company, landing: Path, delivered: date, first: int, last: int) -> None:
    """Write technicians and areas: the whole list as of ``last``, and what it was in between."""
    records = (
        line
        for day, line, until in company.records
        if day <= last and until > first  # a record that ended before was delivered before
    )
    areas = (f"{a.area_id},{a.name},{a.region},{a.time_zone},{a.calendar_id}\n" for a in AREAS)
    for feed, header, rows in (
        ("technicians", TECHNICIAN_COLUMNS, records),
        ("areas", "area_id,name,region,time_zone,calendar_id", areas),
    ):
        folder = landing / feed / str(delivered)
        folder.mkdir(parents=True)
        (folder / f"{feed}.csv").write_text("".join((header, "\n", *rows)))
