"""Runs the real ``nightly`` DAG in this process, one night after another.

Start-up (imports, Airflow's metadata, dbt's manifest) is paid once for any number of nights. The
metadata lives in a small SQLite file of the home: nothing of a night's state is kept there.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from fieldscore import beside
from fieldscore.airflow_environment import airflow_environment
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings

DAG_ID = "nightly"


def run_nights(
    settings: Settings, dates: list[date], say: Callable[[str], None] = print
) -> list[float]:
    """Run the DAG for each business date in turn; return the seconds each night took.

    Stops at the first night that fails, with a FieldscoreError naming its tasks and reason.
    """
    home = settings.home / "airflow" / "in_process"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        _acquire(lock, home)
        beside.start(settings)
        _prepare(settings, home, say)
        return [_run_night(settings, business_date, say) for business_date in dates]


def _acquire(lock, home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FieldscoreError(
            f"Another command is running nights in {home.parents[1]}; wait until it has ended."
        ) from None


def _prepare(settings: Settings, home: Path, say: Callable[[str], None]) -> None:
    """Point Airflow at this home, before its first import, and make its metadata if missing."""
    metadata = home / "airflow.db"
    environment = airflow_environment(settings, home, f"sqlite:///{metadata}")
    if not metadata.exists():
        say("preparing Airflow's metadata, once (about 20 s)")
        draft = home / "airflow.db.draft"
        draft.unlink(missing_ok=True)
        made = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env={**os.environ, **airflow_environment(settings, home, f"sqlite:///{draft}")},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise FieldscoreError(f"Airflow's metadata cannot be made:\n{made.stderr[-2000:]}")
        draft.replace(metadata)
    # Its logs would bury what a person wants to see; what fails is told below.
    os.environ.update(environment, AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL")


def _run_night(settings: Settings, business_date: date, say: Callable[[str], None]) -> float:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DagRunState, timezone

    started = time.monotonic()
    say(f"night {business_date}")
    # Read anew for every night: parameters of one run stay on a DAG object.
    bag = DagBag(PROJECT / "dags", collect_dags=True)
    if bag.import_errors:
        raise FieldscoreError(f"The DAG does not load: {bag.import_errors}")
    now = timezone.utcnow()
    run = bag.dags[DAG_ID].test(
        run_after=now, logical_date=now, run_conf={"business_date": business_date.isoformat()}
    )
    seconds = time.monotonic() - started
    if run.state != DagRunState.SUCCESS:
        raise FieldscoreError(_told(settings, run, business_date))
    say(f"night {business_date} took {timedelta(seconds=round(seconds))}")
    return seconds


def _told(settings: Settings, run, business_date: date) -> str:
    from fieldscore.warehouse import connect

    failed = sorted({ti.task_id for ti in run.get_task_instances() if ti.state == "failed"})
    with connect(settings) as connection:
        message = connection.execute(
            "select message from ops.runs where airflow_run_id = %s order by run_id desc limit 1",
            [run.run_id],
        ).fetchone()
    reason = (message and message[0]) or "every try went wrong; why is told above"
    return (
        f"The night of {business_date} failed in {', '.join(failed)}: {reason}\n"
        "The marts of the night before still stand."
    )
