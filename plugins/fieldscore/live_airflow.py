"""Airflow with UI and schedule for one home: `make up`, `make down`, and runs by its REST API."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg

from fieldscore import local_postgres
from fieldscore.airflow_environment import ADMIN, LOOPBACK, airflow_environment, passwords_file
from fieldscore.airflow_health import ailing
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings

COMPONENTS = {
    "api-server": ["api-server"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
}
METADATA = "airflow"  # Airflow's database on the home's own server

Say = Callable[[str], None]


def up(
    settings: Settings,
    *,
    dags: Path = PROJECT / "dags",
    say: Say = print,
    patience: float = 300,
) -> str:
    """Start this home's Airflow, wait until every part is well, and return the UI's URL.

    dags: folder of DAG files; say: told the progress; patience: seconds. Raises FieldscoreError,
    with the end of the log, when a part does not come up; then nothing of it is left running.
    """
    home = _home(settings)
    with _one_at_a_time(home):
        running = _running(settings)
        if running == COMPONENTS.keys():
            url = _url(settings)
            say(f"Airflow already runs: {url} (user {ADMIN}, password in {_password(settings)}).")
            return url
        if running:
            dead = ", ".join(sorted(COMPONENTS.keys() - running))
            say(f"Airflow ran without its {dead}: starting all of it anew.")
        _stop(settings)
        database_url = _metadata_database(local_postgres.start(settings))
        port = local_postgres.free_port(_port(settings))
        environment = os.environ | airflow_environment(
            settings, home, database_url, dags=dags, api_port=port
        )
        _set_password(settings, say)
        _migrate(environment, database_url, _log(settings, "migrate"), say)
        try:
            _start(settings, environment)
            _wait_until_well(settings, say, patience)
        except BaseException:
            _stop(settings)
            raise
        url = _url(settings)
        say(f"Airflow is up: {url} (user {ADMIN}, password in {_password(settings)})")
        return url


def down(settings: Settings, *, say: Say = print) -> None:
    """Stop the Airflow processes and the embedded database this home started, and no others."""
    home = _home(settings)
    with _one_at_a_time(home):
        stopped = _stop(settings)
        say(f"Stopped {', '.join(sorted(stopped))}." if stopped else "Airflow was not running.")
        if local_postgres.is_running(settings):
            local_postgres.stop(settings)
            say("Stopped the embedded PostgreSQL.")


def is_up(settings: Settings) -> bool:
    """Whether every part of this home's Airflow is running."""
    return _running(settings) == COMPONENTS.keys()


def is_paused(settings: Settings, dag_id: str, *, patience: float = 90) -> bool:
    """Whether the living Airflow leaves the DAG's runs waiting. patience: as in trigger."""
    with _api(settings) as api:
        return _dag(api, dag_id, patience)["is_paused"]


def trigger(
    settings: Settings,
    dag_id: str,
    conf: dict[str, Any],
    *,
    unpause: bool = False,
    patience: float = 90,
) -> str:
    """Queue a run of the DAG with these params on the living Airflow; return its run id.

    A paused DAG would leave the run queued for ever: it is refused, or with `unpause` its schedule
    is switched on. patience: seconds to wait for a DAG file that was not read yet.
    """
    with _api(settings) as api:
        dag = _dag(api, dag_id, patience)
        if dag["is_paused"] and not unpause:
            raise FieldscoreError(
                f"{dag_id} is paused, so the run would wait for ever: switch it on at"
                f" {_url(settings)}/dags/{dag_id} (its schedule starts too), or `make down` first."
            )
        if dag["is_paused"]:
            _checked(api.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}))
        run = _checked(
            api.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        )
        return run["dag_run_id"]


def wait(
    settings: Settings,
    dag_id: str,
    run_id: str,
    *,
    say: Say = print,
    patience: float | None = None,
) -> None:
    """Wait for the run's end, telling each task as it ends.

    patience: seconds, None for as long as it takes. Raises FieldscoreError naming the failed tasks
    and their logs when the run fails.
    """
    deadline = time.monotonic() + patience if patience is not None else float("inf")
    run_path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    told: set[str] = set()
    with _api(settings) as api:
        while True:
            # The run first: what its tasks are told after it ended is final.
            state = _checked(api.get(run_path))["state"]
            tasks = _checked(api.get(f"{run_path}/taskInstances", params={"limit": 100}))
            ended = {_task_name(task): task for task in tasks["task_instances"] if task["end_date"]}
            for name in sorted(ended.keys() - told, key=lambda name: ended[name]["end_date"]):
                seconds = f" in {ended[name]['duration']:.1f} s" if ended[name]["duration"] else ""
                say(f"{name}: {ended[name]['state']}{seconds}")
            told |= ended.keys()
            if state == "success":
                return
            if state == "failed":
                failed = [name for name, task in ended.items() if task["state"] == "failed"]
                logs = settings.home / "logs" / "tasks" / f"dag_id={dag_id}" / f"run_id={run_id}"
                raise FieldscoreError(
                    f"{dag_id} failed in {', '.join(failed) or 'no task'}; logs are in {logs}."
                )
            if time.monotonic() > deadline:
                raise FieldscoreError(f"{dag_id}: run {run_id} is still {state}; see the UI.")
            time.sleep(1)


# Places and addresses


def _home(settings: Settings) -> Path:
    return settings.home / "airflow" / "live"


def _log(settings: Settings, name: str) -> Path:
    return settings.home / "logs" / f"{name}.log"


def _port(settings: Settings) -> Path:
    return _home(settings) / "port"


def _password(settings: Settings) -> Path:
    return settings.home / "secrets" / "airflow_admin_password"


def _url(settings: Settings) -> str:
    return f"http://{LOOPBACK}:{_port(settings).read_text()}"


def _set_password(settings: Settings, say: Say) -> None:
    """Let the administrator in with the home's secret, shown when it is new."""
    password = settings.secret("airflow_admin_password")
    path, entry = passwords_file(_home(settings)), json.dumps({ADMIN: password})
    if not path.exists() or path.read_text() != entry:
        path.touch(mode=0o600)
        path.write_text(entry)
        say(f"The password of {ADMIN} is {password} (shown this once).")


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# The metadata database


def _metadata_database(server_url: str) -> str:
    """Airflow's database on this server, made at first use."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        there = connection.execute("select 1 from pg_database where datname = %s", [METADATA])
        if not there.fetchone():
            connection.execute(f"create database {METADATA}")
    return urlsplit(server_url)._replace(path=f"/{METADATA}").geturl()


def _migrate(environment: dict[str, str], database_url: str, log: Path, say: Say) -> None:
    """Bring the metadata database to this Airflow's version, which its comment then tells."""
    version = f"Airflow {importlib.metadata.version('apache-airflow')}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        [comment] = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database"
            " where datname = current_database()"
        ).fetchone()
        if comment == version:
            return
        say(f"Preparing the metadata database for {version} …")
        with _process(["db", "migrate"], environment, log) as process:
            if process.wait():
                raise FieldscoreError(f"`airflow db migrate` failed:\n{_tail(log)}")
        connection.execute(f"comment on database {METADATA} is '{version}'")


# Processes


def _process(
    arguments: list[str], environment: dict[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Airflow in a session of its own, so that all it starts can be told from others' processes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.before"))
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=environment["AIRFLOW_HOME"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _register(settings: Settings) -> Path:
    return _home(settings) / "processes.json"


def _registered(settings: Settings) -> dict[str, tuple[int, float]]:
    """Process id and start time (seconds since 1970) of each part that was started."""
    path = _register(settings)
    return json.loads(path.read_text()) if path.exists() else {}


def _start(settings: Settings, environment: dict[str, str]) -> None:
    started: dict[str, tuple[int, float]] = {}
    draft = _register(settings).with_suffix(".draft")
    for name, arguments in COMPONENTS.items():
        process = _process(arguments, environment, _log(settings, name))
        started[name] = process.pid, psutil.Process(process.pid).create_time()
        draft.write_text(json.dumps(started))
        draft.replace(_register(settings))


def _running(settings: Settings) -> set[str]:
    """The parts of this home's Airflow that run."""
    return {
        name
        for name, (pid, started) in _registered(settings).items()
        if _is_the_one(pid, started) and _is_alive(pid)
    }


def _is_the_one(pid: int, started: float) -> bool:
    """Whether this is still the process we started: its number alone may be someone else's now."""
    with suppress(psutil.NoSuchProcess):
        return abs(psutil.Process(pid).create_time() - started) < 2
    return False


def _is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _stop(settings: Settings) -> set[str]:
    """Stop every part with all it started; return the parts that ran."""
    running = _running(settings)
    # The scheduler first, so that its tasks can still report how they ended.
    for names in ({"scheduler"}, COMPONENTS.keys() - {"scheduler"}):
        _end(lambda names=names: _members(settings, names))
    _register(settings).unlink(missing_ok=True)
    return running


def _members(settings: Settings, names: Set[str]) -> list[psutil.Process]:
    """The living processes of the sessions these parts were started in, workers and tasks included.

    A session's number is ours while its leader is there. It may be given anew afterwards: then only
    processes that still stand in the home's folder count.
    """
    sessions = {
        pid: _is_the_one(pid, started)
        for name, (pid, started) in _registered(settings).items()
        if name in names and (_is_the_one(pid, started) or not psutil.pid_exists(pid))
    }
    home = str(_home(settings).resolve())
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            with_leader = sessions.get(os.getsid(process.pid))
            if with_leader is None or not _is_alive(process.pid):
                continue
            if with_leader or process.cwd() == home:
                members.append(process)
    return members


def _end(members: Callable[[], list[psutil.Process]]) -> None:
    """End the processes: each in its way, then all, and after a while those that would not."""
    for ask, seconds in ((_ask, 15), (psutil.Process.terminate, 5), (psutil.Process.kill, 10)):
        for process in members():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                ask(process)
        deadline = time.monotonic() + seconds
        while members() and time.monotonic() < deadline:
            time.sleep(0.2)


def _ask(process: psutil.Process) -> None:
    """Ask a part to end itself and its workers; interrupt a task, whose worker then reports it.

    A task, with all it started, is a process group of its own; it would not heed a SIGTERM. What a
    dead part left behind has nobody to end it.
    """
    session = os.getsid(process.pid)
    if not _is_alive(session):
        process.kill()
    elif os.getpgid(process.pid) != session:
        process.send_signal(signal.SIGINT)
    elif process.pid == session:
        process.terminate()


def _wait_until_well(settings: Settings, say: Say, patience: float) -> None:
    begun, since = time.monotonic(), datetime.now(UTC)
    ill: set[str] | None = None
    while ill or ill is None:
        if dead := COMPONENTS.keys() - _running(settings):
            _raise_with_logs(settings, dead, "ended while starting")
        if time.monotonic() - begun > patience:
            names = {part.replace("_", "-") for part in ill or ()} & COMPONENTS.keys()
            _raise_with_logs(
                settings, names or {"api-server"}, f"not healthy after {patience:.0f} s"
            )
        now_ill = ailing(_url(settings), since)
        if now_ill != ill:
            state = f"waiting for {', '.join(sorted(now_ill))}" if now_ill else "all parts are well"
            say(f"{time.monotonic() - begun:3.0f} s  {state}")
        ill = now_ill
        time.sleep(0.5)


def _raise_with_logs(settings: Settings, names: set[str], what: str) -> None:
    logs = [_log(settings, name) for name in sorted(names)]
    tails = "\n".join(f"--- end of {log}\n{_tail(log)}" for log in logs)
    raise FieldscoreError(f"Airflow's {', '.join(sorted(names))} {what}.\n{tails}")


def _tail(log: Path, lines: int = 20) -> str:
    with log.open(errors="replace") as text:
        return "".join(deque(text, lines))


# The REST API


@contextmanager
def _api(settings: Settings) -> Iterator[httpx.Client]:
    """A signed-in client of this home's API server. Raises FieldscoreError when none answers."""
    if not is_up(settings):
        raise FieldscoreError(f"No Airflow of {settings.home} is running; start it with `make up`.")
    credentials = {"username": ADMIN, "password": settings.secret("airflow_admin_password")}
    try:
        with httpx.Client(base_url=_url(settings), timeout=60, trust_env=False) as api:
            token = _checked(api.post("/auth/token", json=credentials))["access_token"]
            api.headers["Authorization"] = f"Bearer {token}"
            yield api
    except httpx.TransportError as silence:
        raise FieldscoreError(
            f"Airflow's API server at {_url(settings)} does not answer ({silence});"
            f" its log is {_log(settings, 'api-server')}."
        ) from silence


def _checked(answer: httpx.Response) -> dict[str, Any]:
    """What was answered. Raises FieldscoreError with the API server's own words for a refusal."""
    if answer.is_error:
        raise FieldscoreError(
            f"Airflow refused {answer.request.method} {answer.request.url.path}"
            f" ({answer.status_code}): {answer.text[:500]}"
        )
    return answer.json()


def _dag(api: httpx.Client, dag_id: str, patience: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    while (answer := api.get(f"/api/v2/dags/{dag_id}")).status_code == httpx.codes.NOT_FOUND:
        errors = _checked(api.get("/api/v2/importErrors"))["import_errors"]
        if errors or time.monotonic() > deadline:
            reasons = "\n".join(f"{error['filename']}: {error['stack_trace']}" for error in errors)
            raise FieldscoreError(f"Airflow knows no DAG {dag_id!r}.\n{reasons}".strip())
        time.sleep(1)
    return _checked(answer)


def _task_name(task: dict[str, Any]) -> str:
    if task["map_index"] == -1:
        return task["task_id"]
    return f"{task['task_id']} [{task['rendered_map_index'] or task['map_index']}]"
