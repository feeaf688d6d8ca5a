"""Nights without Airflow: a site to run them on, companies to score, and the marts to compare.

A site is one warehouse, landing and folder of declarations. It can be kept as it stands and put
back later: so a test starts from a night that is published already, and dbt, which parses the
project anew for every database name, parses it once.
"""

from __future__ import annotations

import csv
import inspect
import re
import shutil
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import SCRATCH, database
from fieldscore import local_postgres, night, sample_company, warehouse
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError
from fieldscore.feeds import declared_feeds
from fieldscore.settings import PROJECT, Settings
from psycopg import sql
from psycopg.rows import dict_row

# The steps of fieldscore.night in the order of the DAG, which tests/test_dag.py holds them against.
STEPS = (
    "open_night",
    "check_declarations",
    "await_deliveries",
    "land",
    "check_raw",
    "is_newest",
    "stage",
    "score",
    "audit",
    "check_marts",
    "publish_night",
    "close_night",
)
CORE = ("work_orders", "surveys", "expenses")

# What tells one run from another and nothing about the company.
OF_THE_RUN = {"run_id", "published_at"}

Row = dict[str, object]


def open_night(settings: Settings, business_date: date) -> int:
    """Take the lease for a night of one's own; the run's id."""
    return night.open_night(settings, business_date, f"test {uuid4()}", say=silent)


def silent(_: str) -> None:
    """Progress nobody looks at."""


def take_steps(
    settings: Settings,
    run_id: int,
    business_date: date,
    *steps: str,
    say: Callable[[str], None] = silent,
) -> None:
    """Take these steps as the DAG does: one landing per feed, and none after a short circuit."""
    given = {"run_id": run_id, "business_date": business_date, "say": say}
    for name in steps:
        step = getattr(night, name)
        wanted = inspect.signature(step).parameters
        arguments = {key: value for key, value in given.items() if key in wanted}
        feeds = declared_feeds(settings.feeds) if "feed" in wanted else [None]
        for feed in feeds:
            outcome = step(settings, **arguments, **({"feed": feed} if feed else {}))
        if outcome is False:
            return


def run_night(settings: Settings, business_date: date, say: Callable[[str], None] = silent) -> int:
    """Run the night of a business date, closing it whatever happens; the run's id."""
    run_id = open_night(settings, business_date)
    try:
        take_steps(settings, run_id, business_date, *STEPS[1:-1], say=say)
    except FieldscoreError as wrong:
        night.note_failure(settings, run_id, str(wrong))
        raise
    finally:
        night.close_night(settings, run_id, say=silent)
    return run_id


def rows(settings: Settings, query: str, parameters: Iterable[object] = ()) -> list[Row]:
    """What a query on the warehouse gives, as its owner."""
    with warehouse.connect(settings, row_factory=dict_row) as connection:
        return connection.execute(query, list(parameters)).fetchall()


def marts(settings: Settings) -> dict[str, list[Row]]:
    """Every row of every mart, sorted, without what tells one run from another."""
    found = {}
    with warehouse.connect(settings, row_factory=dict_row) as connection:
        for name in relations(connection, "marts"):
            table = sql.Identifier("marts", name)
            told = connection.execute(sql.SQL("select * from {}").format(table)).fetchall()
            plain = [{k: v for k, v in row.items() if k not in OF_THE_RUN} for row in told]
            found[name] = sorted(plain, key=repr)
    assert found["publication"], "nothing is published"
    return found


def relations(connection: psycopg.Connection, schema: str) -> list[str]:
    """The tables and views of a schema, by name."""
    told = connection.execute(
        "select relname from pg_class where relnamespace = to_regnamespace(%s)"
        " and relkind in ('r', 'v') order by relname",
        [schema],
    ).fetchall()
    return [row["relname"] if isinstance(row, dict) else row[0] for row in told]


def run_of(settings: Settings, run_id: int | None = None) -> Row:
    """What ops.runs says of a run; None for the newest."""
    [run] = rows(
        settings,
        "select * from ops.runs where run_id = coalesce(%s, (select max(run_id) from ops.runs))",
        [run_id],
    )
    return run


def table(text: str) -> list[dict[str, str | None]]:
    """The rows of a table written in columns; a dash is no value."""
    head, *lines = [line for line in text.splitlines() if line]
    names = head.split()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    places = list(zip(starts, [*starts[1:], None], strict=True))
    parts = [[line[start:end].strip() for start, end in places] for line in lines]
    assert parts
    return [
        {name: None if cell == "-" else cell for name, cell in zip(names, cells, strict=True)}
        for cells in parts
    ]


# --- a site --------------------------------------------------------------------------------------


class Site:
    """A home with a warehouse, a landing and declarations of its own, kept and put back by name."""

    def __init__(self, cluster: Settings) -> None:
        self.cluster = cluster
        self.folder = SCRATCH / "site"
        url = local_postgres.start(cluster).rpartition("/")[0]
        self.settings = Settings(
            home=self.folder / "home",
            landing=str(self.folder / "landing"),
            feeds=self.folder / "feeds",
            time_zone=cluster.time_zone,
            database_url=f"{url}/site",
        )
        # The reading role is one for the whole server, and so is its password.
        shutil.copytree(cluster.home / "secrets", self.settings.home / "secrets")

    @property
    def landing(self) -> Path:
        return Path(self.settings.landing)

    @property
    def feeds(self) -> Path:
        return self.settings.feeds

    def clear(self) -> Settings:
        """An empty, migrated warehouse, an empty landing and the shipped declarations."""
        self._take("template_warehouse", "site")
        self.landing.mkdir(parents=True)
        shutil.copytree(PROJECT / "dags" / "feeds", self.feeds)
        return self.settings

    def keep(self, name: str) -> str:
        """Keep what stands now under a name, and return it."""
        with self._server() as server:
            server.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = 'site'"
            )
        database(self.cluster, f"site_{name}", template="site")
        shutil.copytree(self.landing, self.folder / name / "landing")
        shutil.copytree(self.feeds, self.folder / name / "feeds")
        return name

    def go_back(self, name: str) -> Settings:
        """Stand again as kept under that name."""
        self._take(f"site_{name}", "site")
        shutil.copytree(self.folder / name / "landing", self.landing)
        shutil.copytree(self.folder / name / "feeds", self.feeds)
        return self.settings

    def _take(self, template: str, name: str) -> None:
        with self._server() as server:
            server.execute(f"drop database if exists {name} with (force)")
        database(self.cluster, name, template=template)
        shutil.rmtree(self.landing, ignore_errors=True)
        shutil.rmtree(self.feeds, ignore_errors=True)

    def _server(self) -> psycopg.Connection:
        url = local_postgres.start(self.cluster)
        return psycopg.connect(url, dbname="postgres", autocommit=True)


@pytest.fixture(scope="session")
def site(cluster: Settings, template: str) -> Site:
    """The one site of all tests; each begins by going back to a night it wants."""
    return Site(cluster)


# --- the sample company, small and clean ----------------------------------------------------------

SMALL_NIGHTS = (date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9))


@pytest.fixture(scope="session")
def small_published(site: Site) -> str:
    """The small company with its first night published; the next two are delivered."""
    site.clear()
    site.landing.rmdir()
    # Clean: of sixty rows a night a dirty one is more than the gates' one in a hundred.
    sample_company.generate(
        site.landing, technicians=12, months=3, nights=3, dirty=False, progress=silent
    )
    run_night(site.settings, SMALL_NIGHTS[0])
    return site.keep("small_published")


@pytest.fixture(scope="session")
def small_audited(site: Site, small_published: str) -> str:
    """The small company's second night as far as the audit: the gate and publication are next."""
    settings = site.go_back(small_published)
    run_id = open_night(settings, SMALL_NIGHTS[1])
    take_steps(settings, run_id, SMALL_NIGHTS[1], *STEPS[1 : STEPS.index("check_marts")])
    return site.keep("small_audited")


# --- a tiny company, whose marts tests/test_night.py works out by hand ---------------------------

# Its only delivery: the last day of January 2026, a Saturday. The 5th and the 19th are Mondays.
TINY_NIGHT = date(2026, 1, 31)


def at(moment: str, month: str = "2026-01") -> str:
    """``05 09:00`` of January 2026 in Shanghai."""
    day, time = moment.split()
    return f"{month}-{day}T{time}:00+08:00"


def order(
    order_id: str,
    reported: str,
    accepted: str,
    completed: str | None = None,
    month: str = "2026-01",
    **other: str,
) -> Row:
    """A repair, completed by T1 unless ``other`` says otherwise; assigned when it was reported."""
    return {
        "order_id": order_id,
        "technician_id": "T1",
        "status": "completed" if completed else "in_progress",
        "service_type": "repair",
        "appliance_category": "fridge",
        "appliance_serial": f"A-{order_id}",
        "fault_code": "COOL-01",
        "reported_at": at(reported, month),
        "assigned_at": at(reported, month),
        "accepted_at": at(accepted, month),
        "completed_at": completed and at(completed, month),
        "resolution": completed and "fixed",
        "updated_at": at(completed or accepted, month),
        **other,
    }


def survey(survey_id: str, order_id: str, sent: str, answered: str, rating: int, **other) -> Row:
    """An answered survey."""
    return {
        "survey_id": survey_id,
        "order_id": order_id,
        "sent_at": at(sent),
        "answered_at": at(answered),
        "rating": rating,
        "updated_at": at(answered),
        **other,
    }


def expense(expense_id: str, day: int, amount: str, status: str = "approved", **other) -> Row:
    """A travel claim of T1."""
    return {
        "expense_id": expense_id,
        "technician_id": "T1",
        "incurred_on": f"2026-01-{day:02}",
        "kind": "travel",
        "amount": amount,
        "status": status,
        "updated_at": at("30 18:00"),
        **other,
    }


TINY = {
    "work_orders": [
        order("O1", "05 09:00", "05 09:30", "05 15:00"),
        # The same appliance again five days later; nobody had it for its first hour.
        order(
            "O2", "10 10:00", "10 12:00", "11 10:30",
            appliance_serial="A-O1", fault_code="COOL-02", assigned_at=at("10 11:00"),
        ),
        order("O3", "16 17:00", "17 09:00", "17 18:00", fault_code="WATER-01"),
        order("O4", "19 08:00", "19 08:10", "19 12:00", service_type="install", fault_code=""),
        order(
            "O5", "20 10:00", "20 10:05", status="cancelled",
            cancelled_at=at("20 11:00"), cancel_cause="customer", updated_at=at("20 11:00"),
        ),
        order("O6", "30 12:00", "30 12:30"),
        order("O7", "19 09:00", "19 09:20", "19 15:00", service_type="maintain", fault_code=""),
        order("O8", "21 10:00", "21 10:40", "22 09:00", technician_id="T2"),
    ],
    "surveys": [
        survey("S1", "O1", "05 16:00", "05 18:00", 5),
        survey("S2", "O2", "11 11:00", "12 09:00", 4),
        survey("S3", "O3", "17 19:00", "18 20:00", 2, reason="technician"),
        survey("S4", "O4", "19 13:00", "19 14:00", 1, reason="product"),
    ],
    "expenses": [
        expense("E1", 5, "54.00", order_id="O1"),
        expense("E2", 19, "40.01", trip_id="TR1"),
        expense("E3", 11, "12.00", status="submitted", order_id="O2"),
        expense("E4", 17, "99.00", status="rejected", order_id="O3"),
    ],
}  # fmt: skip


def deliver(
    settings: Settings, feed: str, day: date, records: list[Row], name: str = "delivery.csv"
) -> Path:
    """Write records as a delivery in the canonical columns."""
    columns = list(canonical_feeds()[feed].columns)
    path = Path(settings.landing) / feed / str(day) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    return path


def declare(site: Site, **declarations: str) -> None:
    """Leave these declarations alone in the folder: feed → its YAML."""
    shutil.rmtree(site.feeds)
    site.feeds.mkdir()
    for feed, text in declarations.items():
        (site.feeds / f"{feed}.yml").write_text(text)


@pytest.fixture(scope="session")
def tiny_delivered(site: Site) -> str:
    """The tiny company's delivery of its three core feeds; no others are declared."""
    settings = site.clear()
    declare(site, **dict.fromkeys(CORE, "required: true\n"))
    for feed, records in TINY.items():
        deliver(settings, feed, TINY_NIGHT, records)
    return site.keep("tiny_delivered")


@pytest.fixture(scope="session")
def tiny_published(site: Site, tiny_delivered: str) -> str:
    """The tiny company with its night published."""
    run_night(site.go_back(tiny_delivered), TINY_NIGHT)
    return site.keep("tiny_published")


# --- records of the other feeds, for companies of tests that want them ---------------------------


def visit(
    visit_id: str, order_id: str, arrived: str, left: str, outcome: str = "fixed", **other: str
) -> Row:
    """A visit led by T1."""
    return {
        "visit_id": visit_id,
        "order_id": order_id,
        "technician_id": "T1",
        "role": "lead",
        "departed_at": at(arrived),
        "arrived_at": at(arrived),
        "left_at": at(left),
        "outcome": outcome,
        "updated_at": at(left),
        **other,
    }


def pause(pause_id: str, order_id: str, started: str, ended: str, owner: str, **other: str) -> Row:
    """A pause, written down when it began."""
    return {
        "pause_id": pause_id,
        "order_id": order_id,
        "started_at": at(started),
        "ended_at": at(ended),
        "owner": owner,
        "entered_at": at(started),
        **other,
    }


def complaint(complaint_id: str, order_id: str, received: str, **other: str) -> Row:
    """A valid complaint about the technician, not answered yet."""
    return {
        "complaint_id": complaint_id,
        "order_id": order_id,
        "received_at": at(received),
        "category": "technician",
        "valid": "true",
        "evidence_ref": f"call {complaint_id}",
        "updated_at": at(received),
        **other,
    }


def inspection(inspection_id: str, order_id: str, inspected: str, earned: int, of: int) -> Row:
    """A running test with the points it earned and those it could have."""
    return {
        "inspection_id": inspection_id,
        "order_id": order_id,
        "inspected_at": at(inspected),
        "item": "running_test",
        "points_possible": of,
        "points_earned": earned,
    }


def parts_line(part_line_id: str, order_id: str, used: int, unit_cost: str, **other: str) -> Row:
    """Parts T1 took for an order, none too many."""
    return {
        "part_line_id": part_line_id,
        "order_id": order_id,
        "technician_id": "T1",
        "part_no": "P-1",
        "quantity_taken": used,
        "quantity_used": used,
        "quantity_returned": 0,
        "unit_cost": unit_cost,
        "updated_at": at("30 18:00"),
        **other,
    }
