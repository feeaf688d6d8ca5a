"""`make up` and `make down`: one real Airflow of a home of its own, started once for all tests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import SCRATCH
from fieldscore import airflow_health, live_airflow, local_postgres
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings

DAG = """
import os, pathlib, time
from datetime import datetime
from airflow.sdk import dag, task

@dag(schedule="0 2 * * *", start_date=datetime(2026, 1, 1), catchup=False, params={"night": ""})
def tiny():
    @task
    def land(params=None):
        print("landing", params["night"], flush=True)
        if params["night"] == "never":
            raise ValueError("told to fail")
        if params["night"] == "endless":
            (pathlib.Path(os.environ["FIELDSCORE_HOME"]) / "pid").write_text(str(os.getpid()))
            time.sleep(600)
    land()

tiny()
"""


@dataclass
class Live:
    """An Airflow that is up. said: what `up` told the person; refused: the error of a first try."""

    settings: Settings
    url: str
    said: list[str]
    refused: str

    def trigger(self, night: str) -> str:
        return live_airflow.trigger(self.settings, "tiny", {"night": night}, unpause=True)

    def log(self, run_id: str) -> str:
        with live_airflow._api(self.settings) as api:
            path = f"/api/v2/dags/tiny/dagRuns/{run_id}/taskInstances/land/logs/1"
            return api.get(path).text

    def processes(self) -> list[psutil.Process]:
        return live_airflow._members(self.settings, live_airflow.COMPONENTS.keys())


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Airflow of a home whose path is not plain; the caller's HOME is an empty folder."""
    home, dags = SCRATCH / "live 家", SCRATCH / "dags"
    dags.mkdir()
    (dags / "tiny.py").write_text(DAG)
    (SCRATCH / "person").mkdir()
    settings = Settings(
        home=home,
        landing=str(SCRATCH / "landing"),
        feeds=PROJECT / "dags" / "feeds",
        time_zone="Asia/Shanghai",
        database_url=None,
    )
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(SCRATCH / "person"))
        patch.delenv("PYTHONUNBUFFERED", raising=False)  # as people's own environment has it
        local_postgres.start(settings, fsync="off", synchronous_commit="off")
        try:
            with pytest.MonkeyPatch.context() as broken:
                part = {"triggerer": ["triggerer", "--no-such-option"]}
                broken.setattr(live_airflow, "COMPONENTS", part)
                with pytest.raises(FieldscoreError) as refused:
                    live_airflow.up(settings, dags=dags, say=said.append)
            url = live_airflow.up(settings, dags=dags, say=said.append)
            yield Live(settings, url, said, str(refused.value))
        finally:
            live_airflow.down(settings, say=said.append)


def test_a_part_that_does_not_start_is_named_with_the_end_of_its_log(live: Live) -> None:
    assert live.refused.startswith("Airflow's triggerer ended while starting.")
    assert "unrecognized arguments: --no-such-option" in live.refused


def test_up_tells_progress_the_url_and_the_password_once(live: Live) -> None:
    password = (live.settings.home / "secrets" / "airflow_admin_password").read_text()
    assert sum("Preparing the metadata database" in line for line in live.said) == 1
    assert any("waiting for" in line for line in live.said)
    assert live.said[-1].startswith(f"Airflow is up: {live.url} (user admin, ")
    assert sum(password in line for line in live.said) == 1


def test_every_part_is_well_as_the_containers_health_check_sees_it(live: Live) -> None:
    check = [sys.executable, "-m", "fieldscore.airflow_health"]
    for part in airflow_health.PARTS:
        subprocess.run([*check, live.url, part], check=True)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = subprocess.run(
            [*check, f"http://127.0.0.1:{nobody.getsockname()[1]}", "scheduler"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (gone.returncode, gone.stderr) == (1, "not healthy: scheduler\n")


def test_a_second_up_starts_nothing(live: Live) -> None:
    before, said = live_airflow._registered(live.settings), []
    assert live_airflow.up(live.settings, say=said.append) == live.url
    assert live_airflow._registered(live.settings) == before
    assert len(said) == 1 and said[0].startswith(f"Airflow already runs: {live.url}")


def test_it_listens_on_the_loopback_alone(live: Live) -> None:
    listening = [
        connection.laddr
        for process in live.processes()
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert f"http://127.0.0.1:{listening[0].port}" == live.url


def test_a_run_of_a_paused_dag_is_refused_and_does_not_wait_for_ever(live: Live) -> None:
    with pytest.raises(FieldscoreError, match="tiny is paused"):
        live_airflow.trigger(live.settings, "tiny", {"night": "2026-03-09"})


def test_an_unknown_dag_is_refused(live: Live) -> None:
    with pytest.raises(FieldscoreError, match="Airflow knows no DAG 'nobody'"):
        live_airflow.trigger(live.settings, "nobody", {}, patience=0)


def test_a_param_that_the_dag_does_not_take_is_told_in_airflows_words(live: Live) -> None:
    with pytest.raises(FieldscoreError, match=r"Airflow refused POST .*\(4\d\d\)"):
        live_airflow.trigger(live.settings, "tiny", "no params", unpause=True)  # type: ignore[arg-type]


def test_an_api_server_that_does_not_answer_is_named_with_its_log(live: Live) -> None:
    port = live_airflow._port(live.settings)
    kept = port.read_text()
    port.write_text("1")
    try:
        with pytest.raises(
            FieldscoreError, match=r"127\.0\.0\.1:1 does not answer .*api-server\.log"
        ):
            live_airflow.trigger(live.settings, "tiny", {})
    finally:
        port.write_text(kept)


def test_a_run_gets_its_params_and_its_tasks_are_told_as_they_end(live: Live) -> None:
    said: list[str] = []
    run_id = live.trigger("2026-03-09")
    live_airflow.wait(live.settings, "tiny", run_id, say=said.append, patience=60)
    assert len(said) == 1 and said[0].startswith("land: success in ")
    assert "landing 2026-03-09" in live.log(run_id)


def test_a_failed_run_names_its_task_and_the_folder_of_its_log(live: Live) -> None:
    run_id = live.trigger("never")
    with pytest.raises(FieldscoreError, match="tiny failed in land; logs are in") as failed:
        live_airflow.wait(live.settings, "tiny", run_id, say=lambda _: None, patience=60)
    folder = Path(str(failed.value).partition("logs are in ")[2].removesuffix("."))
    assert "told to fail" in (folder / "task_id=land" / "attempt=1.log").read_text()


def test_the_whole_of_it_is_below_its_home_and_no_log_tells_a_secret(live: Live) -> None:
    assert list((SCRATCH / "person").iterdir()) == []
    logs = [path for path in (live.settings.home / "logs").rglob("*.log*") if path.is_file()]
    assert {"scheduler.log", "api-server.log", "attempt=1.log"} <= {path.name for path in logs}
    told = "".join(path.read_text(errors="replace") for path in logs)
    secrets = [path.read_text() for path in (live.settings.home / "secrets").iterdir()]
    assert len(secrets) >= 5
    assert [secret for secret in secrets if secret in told] == []


def test_down_stops_all_that_was_started_and_nothing_else(live: Live) -> None:
    """The scheduler was killed with a task at work, and another home's record names a stranger."""
    run_id = live.trigger("endless")
    pid_file = live.settings.home / "pid"
    deadline = time.monotonic() + 60
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    task = psutil.Process(int(pid_file.read_text()))
    assert "landing endless" in live.log(run_id)  # of a task at work, without a log server

    started = live.processes()
    assert task in started and len(started) > len(live_airflow.COMPONENTS)
    psutil.Process(live_airflow._registered(live.settings)["scheduler"][0]).kill()
    time.sleep(0.5)
    assert not live_airflow.is_up(live.settings)
    assert task.is_running()

    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        other = Settings(SCRATCH / "other", "", PROJECT, "Asia/Shanghai", None)
        live_airflow._home(other).mkdir(parents=True)
        long_ago = psutil.Process(stranger.pid).create_time() - 3600
        record = json.dumps({"scheduler": [stranger.pid, long_ago]})
        live_airflow._register(other).write_text(record)
        live_airflow.down(other, say=lambda _: None)
        said: list[str] = []
        live_airflow.down(live.settings, say=said.append)
        assert stranger.poll() is None
        stranger.kill()

    assert said == [
        "Stopped api-server, dag-processor, triggerer.",
        "Stopped the embedded PostgreSQL.",
    ]
    assert [process for process in started if live_airflow._is_alive(process.pid)] == []
    assert not local_postgres.is_running(live.settings)
    with pytest.raises(FieldscoreError, match="start it with `make up`"):
        live_airflow.trigger(live.settings, "tiny", {})
