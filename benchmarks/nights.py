"""What a night costs: on a history and on ten times that history, and when nothing new arrived.

One company is simulated. The long history holds all of it, the short one the last tenth of its
days; the nights that follow bring both the very same files. Every night is the command a person
types, in a process of its own, turn about on both.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import homes
import storage
import yaml
from fieldscore import live_airflow, sample_company, warehouse
from fieldscore.settings import Settings

# Inside a month: the first night of one has the benchmarks of the month to make, too.
UNTIL = date(2026, 3, 20)
NIGHTS = 3
HISTORY = UNTIL - timedelta(days=NIGHTS)
# Deliveries of a month each, the last one of half a month.
SHORT, LONG = 2, 15
# Orders of a technician in the short history: two and a half on each of some 32 working days.
ORDERS_OF_A_TECHNICIAN = 80
REQUIRED = ("work_orders", "surveys", "expenses")

START, BETWEEN = "start of Python and Airflow", "between the tasks"


@dataclass(frozen=True)
class Night:
    """Seconds from the first process' start to the publication, and what they went to, by step."""

    seconds: float
    steps: dict[str, float]
    megabytes: float


@dataclass
class History:
    """One history and its nights; of `nights` and `floors` the medians are told.

    by_scheduler: seconds of one more floor, run by a living Airflow.
    """

    settings: Settings
    first: Night
    nights: list[Night]
    floors: list[Night]
    by_scheduler: float | None = None
    rebuild: homes.Ran | None = None
    orders: int = 0
    changed: int = 0
    kept: dict[str, int] | None = None
    kept_after_rebuild: dict[str, int] | None = None

    @property
    def megabytes(self) -> float:
        """The most any Python process of it held."""
        return max(ran.megabytes for ran in (self.first, *self.nights, *self.floors, self.rebuild))


@dataclass
class Nights:
    """Both histories; rows_a_second: of the sample company; delivered: its bytes, uncompressed."""

    short: History
    long: History
    rows_a_second: float
    delivered: int


@contextmanager
def measured(orders: int, say: Callable[[str], None]) -> Iterator[Nights]:
    """Both histories with all their nights done; the warehouses stand until the end.

    orders: about how many the short history is to hold.
    """
    technicians = max(5, round(orders / ORDERS_OF_A_TECHNICIAN))
    with ExitStack() as homes_open:
        long, short = (homes_open.enter_context(homes.home()) for _ in range(2))
        company = long.home / "company"
        seconds = homes.seconds_of(
            lambda: homes.apart(
                sample_company.generate, company, technicians=technicians, months=LONG,
                until=UNTIL, nights=NIGHTS, dirty=False, progress=_silent,
            )
        )  # fmt: skip
        made = json.loads((company / sample_company.MARKER).read_text())["rows"]
        say(f"a company of {technicians} technicians: {sum(made.values()):,} rows")
        histories = [
            _first(settings, company, months, say)
            for settings, months in ((short, SHORT), (long, LONG))
        ]
        for days in range(1, 2 * NIGHTS + 1):
            business_date = HISTORY + timedelta(days=days)
            for history in histories:
                if days <= NIGHTS:
                    history.nights.append(_night(history.settings, business_date))
                else:
                    history.floors.append(_night(history.settings, business_date))
            say(f"night {business_date} on both")
        business_date += timedelta(days=1)
        for history in histories:
            history.by_scheduler = _by_scheduler(history.settings, business_date)
            say(f"night {business_date} by the scheduler: {history.by_scheduler:.0f} s")
            _count(history)
            history.kept = storage.split(history.settings)
            history.rebuild = homes.fieldscore(history.settings, f"rebuild {business_date}")
            history.kept_after_rebuild = storage.split(history.settings)
            say(f"rebuild of {history.orders:,} orders: {history.rebuild.seconds:.0f} s")
        yield Nights(
            *histories,
            rows_a_second=sum(made.values()) / seconds,
            delivered=storage.delivered(Path(long.landing)),
        )


def median(nights: list[Night]) -> Night:
    """The night of which half were slower; its steps are medians of their own."""
    return Night(
        statistics.median(night.seconds for night in nights),
        {
            step: statistics.median(night.steps[step] for night in nights)
            for step in nights[0].steps
        },
        max(night.megabytes for night in nights),
    )


def _first(settings: Settings, company: Path, months: int, say: Callable[[str], None]) -> History:
    """The history as it stands after its first night, which lands and scores it all."""
    settings = replace(settings, feeds=_declarations(settings))
    _deliver(company, Path(settings.landing), months)
    first = _night(settings, HISTORY)
    say(f"the first night, of {months} deliveries: {first.seconds:.0f} s")
    return History(settings, first, nights=[], floors=[])


def _declarations(settings: Settings) -> Path:
    """The project's declarations, but that every feed may bring nothing."""
    folder = settings.home / "feeds"
    folder.mkdir()
    for file in settings.feeds.glob("*.yml"):
        declaration = yaml.safe_load(file.read_text()) | {"may_be_empty": True}
        (folder / file.name).write_text(yaml.safe_dump(declaration))
    return folder


def _deliver(company: Path, landing: Path, months: int) -> None:
    """The last deliveries of the history at once, each night's own, and then nights of headers.

    At once, since to the gate a day after months of whole months were a feed that shrank.
    """
    for feed in (folder for folder in company.iterdir() if folder.is_dir()):
        dates = sorted(folder.name for folder in feed.iterdir())
        history = [day for day in dates if day <= str(HISTORY)][-months:]
        for day in (*history, *(day for day in dates if day > str(HISTORY))):
            target = landing / feed.name / max(day, str(HISTORY))
            target.mkdir(parents=True, exist_ok=True)
            for file in (feed / day).iterdir():
                os.link(file, target / f"{day}-{file.name}")
    for feed in REQUIRED:
        [last] = (company / feed / str(UNTIL)).iterdir()
        header = last.read_text().partition("\n")[0]
        for days in range(1, NIGHTS + 2):
            target = landing / feed / str(UNTIL + timedelta(days=days))
            target.mkdir()
            (target / f"{feed}.csv").write_text(header + "\n")


def _night(settings: Settings, business_date: date) -> Night:
    """Run the night's command; how long its tasks took is asked of Airflow's own record."""
    ran = homes.fieldscore(settings, f"night {business_date}")
    with sqlite3.connect(settings.home / "airflow" / "in_process" / "airflow.db") as metadata:
        tasks = metadata.execute(
            "select task_id, min(start_date), max(end_date), sum(duration) from task_instance"
            " where run_id = (select run_id from task_instance order by start_date desc limit 1)"
            " and task_id <> 'close_night' group by task_id order by 2"
        ).fetchall()
    begun, published = (
        datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in (tasks[0][1], tasks[-1][2])
    )
    seconds = (published - ran.started_at).total_seconds()
    steps = {START: (begun - ran.started_at).total_seconds()}
    steps |= {task: duration for task, _, _, duration in tasks}
    steps[BETWEEN] = seconds - sum(steps.values())
    return Night(seconds, steps, ran.megabytes)


def _by_scheduler(settings: Settings, business_date: date) -> float:
    """Seconds from the moment a night is asked of a living Airflow to its publication."""
    homes.fieldscore(settings, "up")
    try:
        return homes.apart(_asked_and_published, settings, business_date)
    finally:
        homes.fieldscore(settings, "down")


def _asked_and_published(settings: Settings, business_date: date) -> float:
    asked = datetime.now(UTC)
    run = live_airflow.trigger(
        settings, "nightly", {"business_date": business_date.isoformat()}, unpause=True
    )
    live_airflow.wait(settings, "nightly", run, say=_silent)
    with warehouse.connect(settings) as connection:
        [published] = connection.execute("select published_at from marts.publication").fetchone()
    return (published.replace(tzinfo=UTC) - asked).total_seconds()


def _count(history: History) -> None:
    with warehouse.connect(history.settings) as connection:
        [history.orders] = connection.execute(
            "select count(*) from marts.fct_work_orders"
        ).fetchone()
        changed = connection.execute(
            "select count(distinct order_id) from raw.work_orders"
            " inner join ops.loads using (load_id)"
            " where loads.business_date > %s group by loads.business_date",
            [HISTORY],
        ).fetchall()
    history.changed = round(statistics.median(orders for [orders] in changed))


def _silent(_: str) -> None:
    pass
