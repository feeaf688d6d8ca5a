"""A process beside Airflow's, for nights that run in process.

It loads dbt and Great Expectations, which take as long as Airflow does, while Airflow starts; then
it does the steps of the night that need them.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from fieldscore.errors import PassingFault
from fieldscore.settings import Settings

# They need neither, but libraries that load in Airflow's process while the other one is loading.
AIRFLOWS_OWN = ("await_deliveries", "land")

_beside: _Beside | None = None


def start(settings: Settings) -> None:
    """Start the process beside, whose end is this one's."""
    global _beside
    _beside = _Beside(settings)


def call(step: str, settings: Settings, **arguments: Any) -> Any:
    """Do a step of fieldscore.night and return what it returns; beside, where that was started.

    Raises what the step raises, and PassingFault when the process beside went away meanwhile.
    """
    if _beside is None or step in AIRFLOWS_OWN:
        return _do(step, settings, arguments)
    _beside.begin(step, settings, arguments)
    # While waiting: the first steps wait for what the other process loads.
    from fieldscore import landing  # noqa: F401

    return _beside.end()


def collect_rarely() -> None:
    """Let Python look for garbage a hundred times less often: a night's imports make objects by the
    million that stay, and looking through them again and again was a seventh of an empty night."""
    gc.set_threshold(100_000, 50, 100)


class _Beside:
    """The process and the pipe to it; one step at a time."""

    def __init__(self, settings: Settings):
        self.settings = settings
        context = multiprocessing.get_context("spawn")
        self.pipe, its_end = context.Pipe()
        # A daemon that is in a step is ended when this process ends by itself.
        self.process = context.Process(target=_work, args=(its_end, settings), daemon=True)
        self.process.start()
        its_end.close()
        atexit.register(self.close)

    def close(self) -> None:
        """Let it end by itself, which is at once where it is in no step."""
        self.pipe.close()
        self.process.join(timeout=1)

    def begin(self, *step: Any) -> None:
        with suppress(OSError):  # where it is gone, end() tells
            self.pipe.send(step)

    def end(self) -> Any:
        try:
            is_done, outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            start(self.settings)
            raise PassingFault(
                "The process beside Airflow's, which works on the night, went away"
                f" (exit code {self.process.exitcode}); a new one was started."
            ) from None
        if is_done:
            return outcome
        raise outcome


def _do(step: str, settings: Settings, arguments: dict[str, Any]) -> Any:
    from fieldscore import night

    return getattr(night, step)(settings, **arguments)


def _work(pipe, settings: Settings) -> None:
    """Load what the steps need, then do them one by one until Airflow's process has ended."""
    # Ctrl-C is Airflow's process' to hear; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_rarely()
    sys.stdout.reconfigure(line_buffering=True)

    # What is wrong with the project is for the step that needs it to tell.
    with suppress(Exception):
        import great_expectations  # noqa: F401

        from fieldscore import transform

        transform.manifest(settings)
    while (step := _next(pipe)) is not None:
        try:
            outcome = (True, _do(*step))
        except Exception as wrong:
            outcome = (False, wrong)
        pipe.send(outcome)


def _next(pipe) -> Any:
    """The next step; None when there will be none."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def _end_with_parent() -> None:
    """Killed it cannot end this process, which would go on with a step that is nobody's."""
    multiprocessing.parent_process().join()
    os._exit(1)
