"""One night at a time, guarded by the warehouse: the running row of ``ops.runs`` holds the lease.

Whoever works on a night shows the run's id, the fencing number, in every transaction that writes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta

import psycopg

from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.warehouse import connect

BEAT = timedelta(seconds=10)
# A night whose heart has not beaten for so long is dead; the next one takes its place. So is one
# whose heart is to beat in so long: the server's clock was set back since, and the living beat on.
DEAD_AFTER = timedelta(seconds=60)


def take(
    url: str,
    business_date: date,
    as_of: datetime,
    time_zone: str,
    versions: tuple[str, str],
    airflow_run_id: str,
    patience: timedelta = DEAD_AFTER + BEAT,
    say: Callable[[str], None] = print,
) -> int:
    """Start a run for a business date and return its id, waiting out a dead predecessor.

    versions: of code and of policy.
    The same airflow_run_id gets its running run back: a retried task goes on with its own night.
    Raises PassingFault when another night is alive.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        with connect(url) as connection:
            run_id = _try(connection, business_date, as_of, time_zone, versions, airflow_run_id)
            if run_id:
                return run_id
            holder = connection.execute(
                "select run_id, business_date, started_at from ops.runs where status = 'running'"
            ).fetchone()
        if holder is None:
            continue
        told = "run {} for {} has been working since {:%Y-%m-%d %H:%M:%S} UTC".format(*holder)
        if time.monotonic() > deadline:
            raise PassingFault(f"Another night is under way: {told}. Try again when it has ended.")
        say(f"waiting: {told}")
        time.sleep(min(BEAT.total_seconds(), 5))


def _try(
    connection: psycopg.Connection,
    business_date: date,
    as_of: datetime,
    time_zone: str,
    versions: tuple[str, str],
    airflow_run_id: str,
) -> int | None:
    with connection.transaction():
        own = connection.execute(
            "select run_id from ops.runs where status = 'running' and airflow_run_id = %s",
            [airflow_run_id],
        ).fetchone()
        if own:
            return own[0]
        connection.execute(
            "update ops.runs set status = 'abandoned',"
            " message = coalesce(message, 'stopped without a word') where status = 'running'"
            " and abs(extract(epoch from clock_timestamp() at time zone 'UTC' - heartbeat_at))"
            " > %s",
            [DEAD_AFTER.total_seconds()],
        )
        run = connection.execute(
            "insert into ops.runs"
            " (business_date, as_of, status, code_version, policy_version, airflow_run_id)"
            " values (%s, %s, 'running', %s, %s, %s) on conflict do nothing returning run_id",
            [business_date, as_of, *versions, airflow_run_id],
        ).fetchone()
        if run is None:
            return None
        connection.execute(
            "insert into ops.night (run_id, business_date, as_of, time_zone)"
            " values (%s, %s, %s, %s) on conflict (one_row) do update set run_id = excluded.run_id,"
            " business_date = excluded.business_date, as_of = excluded.as_of,"
            " time_zone = excluded.time_zone",
            [run[0], business_date, as_of, time_zone],
        )
        return run[0]


def check(connection: psycopg.Connection, run_id: int, *, to_end_it: bool = False) -> None:
    """Hold the lease to the end of this transaction. Raises FieldscoreError when it was lost.

    to_end_it: this transaction is going to change the run's row; asking for that later would be a
    deadlock with the heartbeat waiting in between.
    """
    lock = "for update" if to_end_it else "for share"
    held = connection.execute(
        f"select 1 from ops.runs where run_id = %s and status = 'running' {lock}",
        [run_id],
    ).fetchone()
    if not held:
        raise FieldscoreError(
            f"Run {run_id} no longer holds the lease: it was silent for too long and another night"
            " took its place. Nothing of it was written. Run the night again."
        )


@contextmanager
def held(url: str, run_id: int) -> Iterator[None]:
    """Keep the run's heart beating while a task works. Raises FieldscoreError when it is lost."""
    with connect(url) as connection:
        check(connection, run_id)
    ended = threading.Event()

    def beat() -> None:
        # A beat that fails is a beat missed; the fencing check decides, not the beat.
        with suppress(PassingFault), connect(url, autocommit=True) as connection:
            while not ended.is_set():
                with suppress(psycopg.OperationalError):
                    connection.execute(
                        "update ops.runs set heartbeat_at = clock_timestamp() at time zone 'UTC'"
                        " where run_id = %s and status = 'running'",
                        [run_id],
                    )
                ended.wait(BEAT.total_seconds())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)
