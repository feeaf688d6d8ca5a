"""Nothing lost, nothing twice, no half night: real nights that are killed, cut off and starved.

Every fault strikes a night run by ``python -m fieldscore``, with Airflow, dbt, Great Expectations
and PostgreSQL, while a reader asks for all marts again and again. Then the next run, which nobody
helps, has to give the marts of a night that nothing disturbed.

A fault strikes where it is wanted to: the test holds a lock that the night needs at that point,
strikes when PostgreSQL says that somebody waits for it, and lets go. One fault is part of every
test run; ``make faults`` takes them all, in about half an hour, and ends with a table of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg
import pytest
from conftest import FAULTS, SCRATCH, Fault, database, running
from fieldscore import lease, live_airflow, local_postgres, warehouse
from fieldscore.settings import Settings
from nights import (
    CORE,
    TINY,
    Site,
    deliver,
    deliver_tiny,
    expense,
    marts,
    order,
    relations,
    rows,
    run_night,
    run_of,
    silent,
    survey,
)
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

NIGHT = date(2026, 2, 2)
PATIENCE = 240  # seconds in which a night gets to any point of it, or to its end
ALL = pytest.mark.faults

DELIVERED = {
    "work_orders": [
        order(f"N{n}", "02 09:00", "02 09:10", "02 10:00", "2026-02", technician_id=f"T{1 + n % 3}")
        for n in range(40)
    ],
    # A new answer and one that is known: the landing of a feed writes to every table it ever does.
    "surveys": [*TINY["surveys"][:2], survey("N1", "O7", "20 16:00", "22 18:00", 3)],
    "expenses": [*TINY["expenses"], expense("N1", 30, "31.00", order_id="O6")],
}


# --- the night, and where it is struck ------------------------------------------------------------


class Night:
    """A command of fieldscore in a process group of its own; said: what it has printed so far."""

    alive: ClassVar[list[Night]] = []

    def __init__(self, settings: Settings, *command: object, home: Path | None = None) -> None:
        places = {
            "FIELDSCORE_HOME": str(home or settings.home),
            "FIELDSCORE_LANDING": settings.landing,
            "FIELDSCORE_FEEDS": str(settings.feeds),
            "FIELDSCORE_TIME_ZONE": settings.time_zone,
            "FIELDSCORE_DATABASE_URL": settings.database_url,
        }
        self.log = SCRATCH / f"night-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "fieldscore", *map(str, command)],
                env=os.environ | places,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        Night.alive.append(self)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """Wait for its end; its exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the night does not end:\n{self.said[-3000:]}") from None


@pytest.fixture(autouse=True)
def nights_end_with_their_test() -> Iterator[None]:
    """None goes on into the next test where one failed."""
    yield
    while Night.alive:
        night = Night.alive.pop()
        if night.process.poll() is None:
            night.kill()


def until(what: Callable[[], object], night: Night | None = None) -> object:
    """Wait for something to be true, as long as the night it is to be true of is alive."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came to that"
        assert night is None or night.process.poll() is None, f"too late:\n{night.said[-3000:]}"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Point:
    """Where a night stops: it waits for lock, which is taken as soon as (SQL) when is true."""

    name: str
    lock: str
    when: str = "select 1 from ops.runs where status = 'running'"


LANDED = f"""
    select 1 from ops.runs where status = 'running'
    and (select count(distinct feed) from ops.loads where business_date = '{NIGHT}') = 3
"""
JUDGED = "select 1 from ops.runs natural join ops.quality_results where status = 'running' limit 1"
AUDITED = "select 1 from ops.runs natural join ops.audited where status = 'running' limit 1"


def table(name: str, mode: str) -> str:
    return f"lock table {name} in {mode} mode"


POINTS = {
    "airflow": [
        Point(
            "making rooms", f"select pg_advisory_xact_lock({warehouse.MIGRATION_LOCK})", "select 1"
        ),
        Point("its first task", table("ops.declarations", "share")),
    ],
    "landing": [
        Point("its feed's turn", "select pg_advisory_xact_lock(hashtext('raw.surveys'))"),
        Point("before its ledger", table("ops.loads", "share row exclusive")),
        Point("before its rows", table("raw.work_orders", "share")),
        Point("before its commit", table("ops.unchanged_rows", "share")),
        Point("between two feeds", table("raw.expenses", "share")),
    ],
    "gate": [
        Point("reading raw", table("raw.surveys", "access exclusive"), LANDED),
        Point("keeping what it found", table("ops.quality_results", "share")),
        Point("keeping what it found in marts", table("ops.quality_results", "share"), JUDGED),
        Point("letting pass", table("ops.audited", "share")),
    ],
    "dbt": [
        Point("typing", table("staging.base_surveys", "share")),
        Point("newest versions", table("staging.stg_work_orders_history", "share")),
        Point("amid its models", table("intermediate.int_orders", "access share")),
        Point("its last score", table("intermediate.int_score_lines", "access share")),
        Point("auditing", table("audit.fct_kpi_events", "access share")),
    ],
    "publication": [
        Point("its first mart", table("marts.dim_areas", "share")),
        Point("amid its marts", table("marts.fct_score_lines", "share")),
        Point("its last mart", table("marts.publication", "share")),
        Point("after its commit", table("ops.quality_results", "access exclusive"), AUDITED),
    ],
}


def point(process: str, name: str) -> Point:
    [found] = [point for point in POINTS[process] if point.name == name]
    return found


@contextmanager
def stopped_at(settings: Settings, point: Point, night: Night | None = None) -> Iterator[int]:
    """The server's process that waits at a point while it is held; at the end it is let go."""
    watching = warehouse.connect(settings, autocommit=True)
    until(lambda: watching.execute(point.when).fetchone(), night)
    # Whoever sleeps in a transaction is sent away after a while; this one is to be slept in.
    holding = warehouse.connect(settings, options="-c idle_in_transaction_session_timeout=0")
    holding.execute(point.lock)
    query = "select pid from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    [waits] = until(lambda: watching.execute(query, [holding.info.backend_pid]).fetchone(), night)
    yield waits
    # Closed and not left by `with`: the server may have been killed meanwhile.
    holding.close()
    watching.close()


# --- what a reader sees ---------------------------------------------------------------------------

OF_THE_RUN = "- 'run_id' - 'published_at'"


def state(connection: psycopg.Connection) -> tuple:
    """All that the marts say in one REPEATABLE READ transaction; and whether it adds up."""
    with connection.transaction():
        names = relations(connection, "marts")
        found = {
            name: connection.execute(
                sql.SQL(
                    "select count(*), md5(string_agg(said, '' order by said)) from"
                    f" (select (to_jsonb(mart) {OF_THE_RUN})::text as said from {{}} as mart) as r"
                ).format(sql.Identifier("marts", name))
            ).fetchone()
            for name in names
        }
        [adds_up] = connection.execute(
            "select (select coalesce(sum(score) * 100, 0) from marts.fct_technician_scores)"
            " = (select coalesce(sum(points), 0) from marts.fct_score_lines)"
        ).fetchone()
        [isolation] = connection.execute("show transaction_isolation").fetchone()
    assert isolation == "repeatable read"
    return adds_up, tuple(found.items())


class Reader(threading.Thread):
    """BI: reads all marts again and again, and comes back when the server does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.url = warehouse.reader_url(settings)
        self.seen: dict[tuple, int] = {}
        self.ended = threading.Event()
        self.wrong: BaseException | None = None

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    while not self.ended.is_set():
                        found = state(connection)
                        self.seen[found] = self.seen.get(found, 0) + 1
                        self.ended.wait(0.02)
            except psycopg.OperationalError:
                time.sleep(0.1)
            except BaseException as wrong:
                self.wrong = wrong
                return


@contextmanager
def reading(settings: Settings) -> Iterator[Reader]:
    reader = Reader(settings)
    reader.start()
    yield reader
    reader.ended.set()
    reader.join()
    assert reader.wrong is None, reader.wrong


# --- the company, undisturbed ---------------------------------------------------------------------


@dataclass
class Company:
    """A night delivered and not landed; what the marts say before it and are to say after it."""

    site: Site
    kept: str
    before: tuple = ()
    after: tuple = ()
    marts: dict = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.site.settings

    def undisturbed(self) -> Company:
        settings = self.site.go_back(self.kept)
        with psycopg.connect(warehouse.reader_url(settings), autocommit=True) as connection:
            self.before = state(connection)
            run_night(settings, NIGHT)
            self.after = state(connection)
        self.marts = marts(settings)
        assert self.before[0] and self.after[0] and self.before != self.after
        return self


def founded(site: Site) -> Company:
    settings = deliver_tiny(site)
    run_night(settings, date(2026, 1, 31))
    for feed, records in DELIVERED.items():
        deliver(settings, feed, NIGHT, records)
    return Company(site, site.keep("faults")).undisturbed()


@pytest.fixture(scope="module")
def company(site: Site) -> Company:
    """On the tests' own server."""
    return founded(site)


DURABLE = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "on")


@pytest.fixture(scope="module")
def crash_company() -> Iterator[Company]:
    """On a server of its own, which writes to disk as it does in earnest, to be killed."""
    server = running("crashing", **DURABLE)
    crashing = next(server)
    with warehouse.connect(database(crashing, "template_warehouse")) as connection:
        warehouse.migrate(connection, crashing)
    yield founded(Site(crashing, "crash_site"))
    yield from server


def lost(settings: Settings) -> int:
    """How many delivered rows the ledger does not have, or does not account for."""
    loads = rows(settings, "select feed, business_date, file, rows_delivered from ops.loads")
    there = {(load["feed"], str(load["business_date"]), load["file"]): load for load in loads}
    missing = 0
    for feed in CORE:
        files = [path for path in Path(settings.landing, feed).rglob("*") if path.is_file()]
        assert files
        for path in files:
            delivered = len(path.read_text().splitlines()) - 1
            load = there.get((feed, path.parent.name, path.name))
            missing += delivered - (load["rows_delivered"] if load else 0)
    [accounted] = rows(
        settings,
        "select count(*) as loads, sum(abs(delivered - current_rows - superseded - unchanged"
        " - rejected)) as rows from ops.accounting",
    )
    assert accounted["loads"] == len(loads)
    return missing + accounted["rows"]


def twice(settings: Settings) -> int:
    """How many rows raw holds more than once, and files the ledger does."""
    copies = "select count(*) - count(distinct row_hash) as more from raw.{}"
    files = "select count(*) - count(distinct (feed, business_date, file)) as more from ops.loads"
    counts = [rows(settings, copies.format(feed))[0]["more"] for feed in CORE]
    return sum(counts) + rows(settings, files)[0]["more"]


def settled(company: Company, fault: str, where: str, reader: Reader) -> None:
    """The night is published as if nothing had been; running it once more changes nothing.

    What was found goes into the table at the end of the run.
    """
    settings = company.settings
    half = sum(
        times for seen, times in reader.seen.items() if seen not in (company.before, company.after)
    )
    found = Fault(fault, where, sum(reader.seen.values()), lost(settings), twice(settings), half)
    FAULTS.append(found)
    assert marts(settings) == company.marts
    assert (found.lost, found.twice, found.half) == (0, 0, 0)
    assert company.before in reader.seen and company.after in reader.seen
    assert run_of(settings, run_night(settings, NIGHT))["status"] == "landed"
    assert marts(settings) == company.marts


def silence(settings: Settings) -> None:
    """Let the minute go by after which a heart that does not beat is dead."""
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update ops.runs set heartbeat_at = heartbeat_at - %s where status = 'running'",
            [lease.DEAD_AFTER],
        )


# --- kill -9 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("process", "where"),
    [
        pytest.param(
            process,
            where.name,
            marks=() if where.name == "amid its marts" else ALL,
            id=f"{process}: {where.name}",
        )
        for process, points in POINTS.items()
        for where in points
    ],
)
def test_a_night_killed_anywhere_is_done_again(company: Company, process: str, where: str) -> None:
    settings = company.site.go_back(company.kept)
    with reading(settings) as reader:
        victim = Night(settings, "night", NIGHT)
        with stopped_at(settings, point(process, where), victim):
            victim.kill()
        silence(settings)
        run_night(settings, NIGHT)
        until(lambda: company.after in reader.seen)
    settled(company, f"kill -9 of {process}", where, reader)


@ALL
def test_a_dead_night_is_waited_out_for_its_minute(company: Company) -> None:
    settings = company.site.go_back(company.kept)
    with reading(settings) as reader:
        victim = Night(settings, "night", NIGHT)
        with stopped_at(settings, point("dbt", "amid its models"), victim) as left:
            victim.kill()
            # What it had asked for would wait as long as the lock is held; the server ends it.
            query = "select 1 from pg_stat_activity where pid = %s"
            until(lambda: not rows(settings, query, [left]))
        successor = Night(settings, "night", NIGHT)
        assert successor.end() == 0, successor.said
        assert "waiting: run" in successor.said
        until(lambda: company.after in reader.seen)
    settled(company, "kill -9 of dbt", "and a real minute of silence", reader)


# --- the Airflow that runs the schedule -----------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    ("process", "where"), [("landing", "before its rows"), ("dbt", "amid its models")]
)
def test_a_killed_task_is_tried_again_by_the_scheduler(
    company: Company, process: str, where: str
) -> None:
    settings = replace(company.site.go_back(company.kept), home=SCRATCH / "scheduled")
    shutil.copytree(
        company.settings.home / "secrets", settings.home / "secrets", dirs_exist_ok=True
    )
    try:
        live_airflow.up(settings, say=silent)
        with reading(settings) as reader:
            run = live_airflow.trigger(
                settings, "nightly", {"business_date": str(NIGHT)}, unpause=True
            )
            with stopped_at(settings, point(process, where)) as waits:
                task_of(settings, waits).kill()
            live_airflow.wait(settings, "nightly", run, say=silent)
            until(lambda: company.after in reader.seen)
    finally:
        live_airflow.down(settings, say=silent)
    settled(company, "kill -9 of the task runner", where, reader)


def task_of(settings: Settings, backend: int) -> psutil.Process:
    """The process on our side of a server process."""
    query = "select client_port from pg_stat_activity where pid = %s"
    [at] = rows(settings, query, [backend])
    [pid] = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr.port == at["client_port"] and connection.pid
    }
    return psutil.Process(pid)


# --- PostgreSQL and the way to it -----------------------------------------------------------------

MIDWAY = [
    ("landing", "before its rows"),
    ("gate", "reading raw"),
    ("dbt", "typing"),
    ("dbt", "amid its models"),
    ("dbt", "auditing"),
    ("gate", "letting pass"),
    ("publication", "amid its marts"),
    ("publication", "after its commit"),
]


@ALL
@pytest.mark.parametrize(("process", "where"), MIDWAY)
def test_a_killed_server_is_recovered_from(
    crash_company: Company, process: str, where: str
) -> None:
    company = crash_company
    settings = company.site.go_back(company.kept)
    with reading(settings) as reader:
        night = Night(settings, "night", NIGHT)
        with stopped_at(settings, point(process, where), night):
            kill_server(company.site.cluster)
        local_postgres.start(company.site.cluster, **DURABLE)
        # By itself where the same task can be done again, else by the next run.
        if night.end():
            run_night(settings, NIGHT)
        until(lambda: company.after in reader.seen)
    settled(company, "kill -9 of PostgreSQL", f"{process}: {where}", reader)


def data_of(cluster: Settings) -> Path:
    """The data folder of an embedded server."""
    place = replace(cluster, database_url=local_postgres.start(cluster))
    [told] = rows(place, "show data_directory")
    return Path(told["data_directory"])


def kill_server(cluster: Settings) -> None:
    """Kill the server and all its processes at once, as a cut of power does."""
    postmaster = psutil.Process(int((data_of(cluster) / "postmaster.pid").read_text().split()[0]))
    for process in [postmaster, *postmaster.children()]:
        process.kill()


class Wire(threading.Thread):
    """The way from a night to its server, to be cut."""

    def __init__(self, to: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.to = to
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ends: list[socket.socket] = []

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.to)
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(2**16):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut every connection of now; a new one is let through."""
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.ends.clear()


@ALL
@pytest.mark.parametrize(("process", "where"), MIDWAY)
def test_a_night_cut_off_from_its_server_goes_on_by_itself(
    company: Company, process: str, where: str
) -> None:
    settings = company.site.go_back(company.kept)
    place = conninfo_to_dict(settings.database_url)
    wire = Wire((place["host"], int(place["port"])))
    wire.start()
    far = settings.database_url.replace(f":{place['port']}/", f":{wire.port}/")
    with reading(settings) as reader:
        night = Night(replace(settings, database_url=far), "night", NIGHT)
        with stopped_at(settings, point(process, where), night):
            wire.cut()
        assert night.end() == 0, night.said
        until(lambda: company.after in reader.seen)
    wire.listener.close()
    settled(company, "connection cut", f"{process}: {where}", reader)


# --- disk -----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(crash_company: Company) -> Iterator[Path]:
    """A file system of one megabyte that belongs to the server's account."""
    folder = SCRATCH / "small_disk"
    folder.mkdir(exist_ok=True)
    owner = data_of(crash_company.site.cluster).stat()
    options = f"size=1m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may make a disk that is too small")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@ALL
@pytest.mark.parametrize("table_", ["raw.work_orders", "ops.unchanged_rows"])
def test_a_landing_on_a_full_disk_goes_on_when_there_is_room(
    crash_company: Company, small_disk: Path, table_: str
) -> None:
    company = crash_company
    settings = company.site.go_back(company.kept)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(f"create tablespace small location '{small_disk}'")
        connection.execute(f"alter table {table_} set tablespace small")
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    with reading(settings) as reader:
        night = Night(settings, "night", NIGHT)
        until(lambda: "No space left on device" in night.said, night)
        filler.unlink()
        assert night.end() == 0, night.said
        until(lambda: company.after in reader.seen)
    settled(company, "disk full", f"landing: {table_}", reader)
    company.site.go_back(company.kept)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("drop tablespace small")


# --- two at once, and the clock -------------------------------------------------------------------


@ALL
def test_of_two_nights_at_once_one_waits_and_finds_it_done(company: Company) -> None:
    settings = company.site.go_back(company.kept)
    elsewhere = SCRATCH / "another machine"
    shutil.copytree(settings.home / "secrets", elsewhere / "secrets", dirs_exist_ok=True)
    with reading(settings) as reader:
        first = Night(settings, "night", NIGHT)
        with stopped_at(settings, point("landing", "before its rows"), first):
            here, there = (Night(settings, "night", NIGHT, home=home) for home in (None, elsewhere))
            assert here.end() == 1
            assert "Another command is running nights" in here.said
            until(lambda: "waiting: run" in there.said, there)
        assert (first.end(), there.end()) == (0, 0), first.said + there.said
        assert "landed only" in there.said
        until(lambda: company.after in reader.seen)
    settled(company, "two nights at once", "landing", reader)


@ALL
@pytest.mark.parametrize("process_where", [("dbt", "amid its models"), ("gate", "letting pass")])
def test_a_night_waits_for_a_rebuild(company: Company, process_where: tuple[str, str]) -> None:
    settings = company.site.go_back(company.kept)
    with reading(settings) as reader:
        rebuild = Night(settings, "rebuild", "2026-01-31")
        with stopped_at(settings, point(*process_where), rebuild):
            night = Night(settings, "night", NIGHT)
            until(lambda: "waiting: run" in night.said, night)
        assert (rebuild.end(), night.end()) == (0, 0), rebuild.said + night.said
        until(lambda: company.after in reader.seen)
    settled(company, "a night while a rebuild runs", process_where[1], reader)


class Clock:
    """The server's clock, which tells what its database asks it by name, and can jump."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        database_ = conninfo_to_dict(settings.database_url)["dbname"]
        self.act(
            "create schema clock",
            "create table clock.jumps (by interval not null)",
            "create function clock.clock_timestamp() returns timestamptz language sql volatile as"
            " $$ select pg_catalog.clock_timestamp() + coalesce(sum(by), '0') from clock.jumps $$",
            f"alter database {database_} set search_path = clock, pg_catalog, public",
        )

    def act(self, *statements: str) -> None:
        with warehouse.connect(self.settings) as connection:
            for statement in statements:
                connection.execute(statement)

    def jump(self, by: str) -> None:
        self.act(f"insert into clock.jumps values ('{by}')")


@ALL
@pytest.mark.parametrize("by", ["1 hour", "-1 hour"])
def test_a_clock_that_jumps_in_the_night_changes_nothing(company: Company, by: str) -> None:
    settings = company.site.go_back(company.kept)
    clock = Clock(settings)
    with reading(settings) as reader:
        night = Night(settings, "night", NIGHT)
        with stopped_at(settings, point("dbt", "amid its models"), night):
            clock.jump(by)
        assert night.end() == 0, night.said
        until(lambda: company.after in reader.seen)
    settled(company, "clock jumps", f"dbt, by {by}", reader)


@ALL
def test_a_clock_set_back_does_not_keep_a_dead_night_alive(company: Company) -> None:
    settings = company.site.go_back(company.kept)
    clock = Clock(settings)
    with reading(settings) as reader:
        victim = Night(settings, "night", NIGHT)
        with stopped_at(settings, point("dbt", "amid its models"), victim):
            victim.kill()
        clock.jump("-1 hour")
        run_night(settings, NIGHT)
        until(lambda: company.after in reader.seen)
    settled(company, "clock jumps", "after a kill, by -1 hour", reader)


@ALL
def test_a_clock_set_forward_lets_one_of_two_nights_publish(company: Company) -> None:
    """The first one's heart seems dead until its next beat: it loses its lease and is fenced."""
    settings = company.site.go_back(company.kept)
    clock = Clock(settings)
    elsewhere = SCRATCH / "another machine"
    shutil.copytree(settings.home / "secrets", elsewhere / "secrets", dirs_exist_ok=True)
    with reading(settings) as reader:
        first = Night(settings, "night", NIGHT)
        # Where it holds nothing that the second one needs.
        with stopped_at(settings, point("landing", "its feed's turn"), first):
            os.killpg(first.process.pid, signal.SIGSTOP)
            clock.jump("1 hour")
            second = Night(settings, "night", NIGHT, home=elsewhere)
            [taken] = rows(settings, "select max(run_id) as run_id from ops.runs")
            newest = "select 1 from ops.runs where run_id > %s and status = 'running'"
            until(lambda: rows(settings, newest, [taken["run_id"]]), second)
        os.killpg(first.process.pid, signal.SIGCONT)
        assert (first.end(), second.end()) == (1, 0), first.said + second.said
        assert run_of(settings, taken["run_id"])["status"] == "abandoned"
        until(lambda: company.after in reader.seen)
    settled(company, "clock jumps", "two nights, by 1 hour", reader)
