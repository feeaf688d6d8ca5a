"""A home of its own for a measurement, and the commands a person would type in it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fieldscore import local_postgres
from fieldscore.settings import DEFAULT_TIME_ZONE, PROJECT, Settings


@dataclass(frozen=True)
class Ran:
    """A command that ended well. seconds: by the clock on the wall; megabytes: the most it held."""

    started_at: datetime
    seconds: float
    megabytes: float


@contextmanager
def home() -> Iterator[Settings]:
    """The settings of a new home; at the end its server is stopped and the folder is gone."""
    with tempfile.TemporaryDirectory(prefix="fieldscore-bench-") as folder:
        place = Path(folder)
        # Not below a closed folder: root's PostgreSQL runs under another account.
        place.chmod(0o755)
        settings = Settings(
            home=place,
            landing=str(place / "landing"),
            feeds=PROJECT / "dags" / "feeds",
            time_zone=DEFAULT_TIME_ZONE,
            database_url=None,
        )
        try:
            yield settings
        finally:
            local_postgres.stop(settings)


def leave_the_callers_home() -> None:
    """Forget what the environment says of a real home: it is none of a benchmark's."""
    for name in [name for name in os.environ if name.startswith("FIELDSCORE_")]:
        if name != "FIELDSCORE_PG_BIN":
            del os.environ[name]


def fieldscore(settings: Settings, command: str) -> Ran:
    """Run a command as a person would type it; where it fails, the end of its output is shown."""
    place = {
        "FIELDSCORE_HOME": str(settings.home),
        "FIELDSCORE_LANDING": settings.landing,
        "FIELDSCORE_FEEDS": str(settings.feeds),
    }
    started_at = datetime.now(UTC)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fieldscore", *command.split()],
            env={**os.environ, **place},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # Its own use, where RUSAGE_CHILDREN would tell that of the greatest child so far.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            end = "".join(output.readlines()[-20:])
            raise SystemExit(f"{end}\nfieldscore {command} ended with {process.returncode}.")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Ran(started_at, time.monotonic() - started, used.ru_maxrss / unit)


def apart(function: Callable, *arguments: Any, **options: Any) -> Any:
    """What the function returns, called in a process of its own.

    The memory of a process is counted for every process it starts, too; this one is to stay small.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments, **options).result()


def seconds_of(work: Callable[[], Any]) -> float:
    """The seconds that work takes, by the clock on the wall."""
    started = time.monotonic()
    work()
    return time.monotonic() - started
