"""The process beside Airflow's: it does the steps, tells their errors, and its end is Airflow's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import psutil
import psycopg
import pytest
from fieldscore import beside, warehouse
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import PROJECT, Settings
from nights import Site

# Starts the process beside and waits in a step of it, which waits for the publication.
WAITING_IN_A_STEP = """
import sys
from datetime import date
from fieldscore import beside
from fieldscore.settings import Settings

if __name__ == "__main__":
    settings = Settings.from_environment()
    beside.start(settings)
    print(beside._beside.process.pid, flush=True)
    beside.call("is_published", settings, business_date=date(2026, 3, 7))
"""


@pytest.fixture
def settings(site: Site, small_published: str, monkeypatch) -> Iterator[Settings]:
    """Of a warehouse whose newest night is 2026-03-07; the process beside is started."""
    settings = site.go_back(small_published)
    monkeypatch.setattr(beside, "_beside", None)
    beside.start(settings)
    yield settings
    beside._beside.process.kill()
    beside._beside.process.join()


def test_a_step_is_done_and_what_it_returns_is_returned(settings: Settings) -> None:
    assert beside.call("is_published", settings, business_date=date(2026, 3, 7)) is True
    assert beside.call("is_published", settings, business_date=date(2026, 3, 8)) is False


def test_what_a_step_raises_is_raised_here_and_the_next_step_is_done(settings: Settings) -> None:
    with pytest.raises(FieldscoreError, match="2026-07-01 is far past the last delivery"):
        beside.call("is_newest", settings, run_id=1, business_date=date(2026, 7, 1))
    assert beside.call("is_published", settings, business_date=date(2026, 3, 7))


def test_airflows_process_lands_and_without_the_other_does_everything(
    settings: Settings, monkeypatch
) -> None:
    done = []
    monkeypatch.setattr("fieldscore.night.land", lambda settings, **_: done.append("land"))
    monkeypatch.setattr("fieldscore.night.stage", lambda settings, **_: done.append("stage"))
    beside.call("land", settings)
    assert done == ["land"]
    with monkeypatch.context() as patch:
        patch.setattr(beside, "_beside", None)
        beside.call("stage", settings)
    assert done == ["land", "stage"]


def test_where_it_is_killed_the_step_may_be_tried_again(settings: Settings) -> None:
    with publication_locked(settings) as is_waited_for:
        killer = threading.Thread(
            target=lambda: (wait_until(is_waited_for), beside._beside.process.kill())
        )
        killer.start()
        with pytest.raises(PassingFault, match=r"exit code -9\); a new one was started"):
            beside.call("is_published", settings, business_date=date(2026, 3, 7))
        killer.join()
    assert beside.call("is_published", settings, business_date=date(2026, 3, 7))


def test_where_airflows_process_is_killed_in_a_step_it_ends(settings: Settings, tmp_path) -> None:
    program = tmp_path / "waiting.py"
    program.write_text(WAITING_IN_A_STEP)
    with publication_locked(settings) as is_waited_for:
        airflows = subprocess.Popen(
            [sys.executable, program],
            env={
                "PYTHONPATH": str(PROJECT / "plugins"),
                "FIELDSCORE_HOME": str(settings.home),
                "FIELDSCORE_DATABASE_URL": settings.database_url,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        other = psutil.Process(int(airflows.stdout.readline()))
        wait_until(is_waited_for)
        airflows.kill()
        airflows.communicate()
        other.wait(timeout=10)


@contextmanager
def publication_locked(settings: Settings) -> Iterator[Callable[[], bool]]:
    """The publication locked; gives whether somebody waits for it."""
    with warehouse.connect(settings) as connection, connection.transaction():
        connection.execute("lock marts.publication")

        def is_waited_for() -> bool:
            with psycopg.connect(settings.database_url) as other:
                waiting = "select exists (select from pg_locks where not granted)"
                return other.execute(waiting).fetchone()[0]

        yield is_waited_for


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
