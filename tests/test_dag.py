"""The DAG ``nightly``: what Airflow and the people who look at it see, and one real night of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from inspect import getsource
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from conftest import SCRATCH
from fieldscore import local_postgres, night, sample_company, tasks, warehouse
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import PROJECT, Settings
from nights import STEPS, marts, rows, silent
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


@pytest.fixture
def bag():
    """The DAGs of the folder, read anew."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(PROJECT / "dags", collect_dags=True)


@pytest.fixture
def nightly(bag):
    assert (set(bag.dags), bag.import_errors) == ({"nightly"}, {})
    return bag.dags["nightly"]


# --- what is declared ----------------------------------------------------------------------------


def test_the_folder_holds_exactly_the_nightly_dag(bag) -> None:
    assert set(bag.dags) == {"nightly"}
    assert bag.import_errors == {}


@pytest.mark.parametrize(
    "setting",
    ["FIELDSCORE_TIME_ZONE", "FIELDSCORE_LANDING", "FIELDSCORE_DATABASE_URL", "FIELDSCORE_FEEDS"],
)
def test_a_setting_that_is_nonsense_does_not_hide_the_dag(
    setting: str, monkeypatch, request
) -> None:
    monkeypatch.setenv(setting, "no such thing\n://../x")
    nightly = request.getfixturevalue("nightly")
    assert "land" in nightly.task_ids
    assert nightly.timezone.name == "Asia/Shanghai"


def test_declarations_that_are_nonsense_do_not_hide_the_dag(tmp_path, monkeypatch, request) -> None:
    (tmp_path / "work_orders.yml").write_text("{not: [yaml")
    (tmp_path / "surveys.yml").write_bytes(b"\xff\xfe\0")
    (tmp_path / "no_such_feed.yml").write_text("required: true")
    monkeypatch.setenv("FIELDSCORE_FEEDS", str(tmp_path))
    nightly = request.getfixturevalue("nightly")
    assert feeds_of(nightly) == ["work_orders", "surveys"]


def feeds_of(nightly) -> list[str]:
    """The feeds that land is mapped over."""
    return list(nightly.get_task("land").op_kwargs_expand_input.value["feed"])


def test_it_is_due_at_two_in_the_morning_of_the_companys_zone_and_waits_to_be_unpaused(
    nightly,
) -> None:
    due = nightly.timetable
    assert (due.expression, due.timezone) == ("0 2 * * *", "Asia/Shanghai")
    assert nightly.is_paused_upon_creation is True
    assert nightly.catchup is False
    assert nightly.max_active_runs == 1


def test_its_zone_is_a_setting(monkeypatch, request) -> None:
    monkeypatch.setenv("FIELDSCORE_TIME_ZONE", "Europe/Lisbon")
    nightly = request.getfixturevalue("nightly")
    assert nightly.timetable.timezone == "Europe/Lisbon"


def test_its_parameter_is_described_and_takes_a_date_or_nothing(nightly) -> None:
    assert nightly.params.dump() == {"business_date": None}
    said = nightly.params.get_param("business_date")
    assert said.schema["type"] == ["null", "string"] and said.schema["format"] == "date"
    assert re.search(r"`\d{4}-\d\d-\d\d`", said.schema["description_md"])
    assert said.resolve("2026-03-09") == "2026-03-09"
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        said.resolve("the ninth")


def test_the_dag_and_every_task_say_what_they_do_and_what_their_failure_means(nightly) -> None:
    assert "If it fails" in nightly.doc_md and "ops.runs.message" in nightly.doc_md
    assert nightly.tags
    for task in nightly.tasks:
        assert len(task.doc_md or "") > 20, task.task_id


def test_the_tasks_are_the_steps_in_their_order(nightly) -> None:
    order = list(nightly.topological_sort())
    assert order[0].task_id == "pick_date"
    steps = []
    for task in order[1:]:
        callable_ = task.partial_kwargs.get("python_callable") if task.is_mapped else None
        source = getsource(callable_ or task.python_callable)
        steps += re.findall(r'step\(\s*"(\w+)"', source)
    assert tuple(steps) == STEPS
    # A chain: none runs beside another, but the feeds of land.
    for earlier, later in pairwise(order[1:]):
        assert later.task_id in earlier.downstream_task_ids


def test_land_is_one_task_per_feed_and_shows_its_name(nightly) -> None:
    assert feeds_of(nightly) == list(canonical_feeds())
    land = nightly.get_task("land")
    assert land.is_mapped
    assert land.map_index_template == "{{ task.op_kwargs['feed'] }}"


def test_only_publication_tells_that_the_marts_changed(nightly) -> None:
    telling = {task.task_id for task in nightly.tasks if task.outlets}
    assert telling == {"publish"}
    [asset] = nightly.get_task("publish").outlets
    assert asset.name == "marts"


def test_the_night_is_closed_whatever_happens(nightly) -> None:
    close = nightly.get_task("close_night")
    assert close.is_teardown
    assert close.upstream_task_ids >= {"open_night", "publish"}


# --- retries -------------------------------------------------------------------------------------


def test_every_task_is_tried_again_after_a_passing_fault(nightly) -> None:
    for task in nightly.tasks:
        assert task.retries == 2, task.task_id
        assert timedelta(0) < task.retry_delay <= timedelta(minutes=1)
        assert task.execution_timeout == timedelta(hours=3)


@pytest.fixture
def raising(settings: Settings, monkeypatch):
    """Make the step ``stage`` raise, in the environment of a home."""
    for name, value in {
        "HOME": settings.home,
        "LANDING": settings.landing,
        "DATABASE_URL": settings.database_url,
    }.items():
        monkeypatch.setenv(f"FIELDSCORE_{name}", str(value))
    with warehouse.connect(settings) as connection:
        [run_id] = connection.execute(
            "insert into ops.runs (business_date, as_of, status, code_version)"
            " values ('2026-03-09', '2026-03-09 16:00', 'running', 'x') returning run_id"
        ).fetchone()

    def raise_(error: Exception) -> int:
        def stage(settings: Settings, run_id: int) -> None:
            raise error

        monkeypatch.setattr(night, "stage", stage)
        return run_id

    return raise_


def message(settings: Settings) -> str | None:
    [run] = rows(settings, "select message from ops.runs")
    return run["message"]


def test_what_a_person_must_put_right_fails_at_once_and_is_kept_with_the_run(
    settings, raising
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    run_id = raising(FieldscoreError("surveys: column rating is missing."))
    with pytest.raises(AirflowFailException, match="surveys: column rating is missing"):
        tasks.step("stage", run_id=run_id)
    assert message(settings) == "surveys: column rating is missing."
    # What follows from it does not replace it.
    raising(FieldscoreError("Something else."))
    with pytest.raises(AirflowFailException):
        tasks.step("stage", run_id=run_id)
    assert message(settings) == "surveys: column rating is missing."


@pytest.mark.parametrize("fault", [PassingFault("cut off"), ConnectionError("cut off")])
def test_a_passing_fault_is_left_to_airflow_which_tries_again(
    settings, raising, fault, capsys
) -> None:
    run_id = raising(fault)
    with pytest.raises(type(fault), match="cut off"):
        tasks.step("stage", run_id=run_id)
    assert message(settings) is None
    # Who watches sees why it is taking longer.
    assert capsys.readouterr().out == f"stage: {type(fault).__name__}: cut off\n"


# --- one real night ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Home:
    """A home of its own, embedded server included, on which commands are run as a person does."""

    settings: Settings
    environment: dict[str, str]
    processes: set[str]  # what a list of processes showed meanwhile: programs with arguments

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=[ended])
        watch.start()
        try:
            return subprocess.run(
                [sys.executable, "-m", "fieldscore", *command],
                cwd=PROJECT,
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
        finally:
            ended.set()
            watch.join()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                self.processes.add(" ".join(process.info["cmdline"] or []))


@dataclass(frozen=True)
class Night:
    """published: the night's own command; again: that night and the next, which has no delivery."""

    home: Home
    published: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    marts: dict[str, list[dict]]


@pytest.fixture(scope="module")
def real_night() -> Iterator[Night]:
    """The real DAG in a process of its own: a small company's last night, and that night again."""
    folder = SCRATCH / "real_night"
    settings = Settings(
        home=folder / "home",
        landing=str(folder / "landing"),
        feeds=PROJECT / "dags" / "feeds",
        time_zone="Asia/Shanghai",
        database_url=None,
    )
    environment = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {"FIELDSCORE_HOME": str(settings.home), "FIELDSCORE_LANDING": settings.landing}
    home = Home(settings, environment, set())
    sample_company.generate(
        Path(settings.landing), technicians=12, months=3, nights=1, dirty=False, progress=silent
    )
    published = home.run("night", "2026-03-09")
    assert published.returncode == 0, published.stderr
    found = marts(settings)
    yield Night(home, published, home.run("backfill", "2026-03-09", "2026-03-10"), found)
    local_postgres.stop(settings)
    shutil.rmtree(folder)


def test_a_night_shows_its_progress_and_publishes(real_night: Night) -> None:
    told = real_night.published.stdout
    for said in (
        "night 2026-03-09",
        "work_orders 2026-03-09",
        "dbt run:",
        "Gate raw",
        "Gate marts",
    ):
        assert said in told, said
    assert "published; rows of touched keys: " in told
    assert re.search(r"night 2026-03-09 took \d:\d\d:\d\d", told)
    assert real_night.marts["fct_technician_scores"]
    [run, *_] = rows(real_night.home.settings, "select * from ops.runs order by run_id")
    assert (run["status"], str(run["business_date"])) == ("published", "2026-03-09")
    assert run["airflow_run_id"]


def test_the_same_night_again_only_lands_and_one_without_a_delivery_fails_and_says_why(
    real_night: Night,
) -> None:
    again = real_night.again
    assert "landed only; the next night carries what it brought" in again.stdout
    assert again.returncode == 1
    assert "The night of 2026-03-10 failed in await_deliveries: work_orders: no" in again.stderr
    assert "The marts of the night before still stand." in again.stderr
    assert "Traceback" not in again.stderr + again.stdout
    assert marts(real_night.home.settings) == real_night.marts
    statuses = rows(real_night.home.settings, "select status from ops.runs order by run_id")
    assert [run["status"] for run in statuses] == ["published", "landed", "failed"]


def test_all_that_it_leaves_is_below_its_home(real_night: Night) -> None:
    home = real_night.home.settings.home
    assert (home / "data_docs" / "index.html").read_text().count("2026-03-09")
    assert (home / "airflow" / "in_process" / "airflow.db").exists()
    tracked = subprocess.run(
        ["git", "status", "--porcelain", "--ignored=no", "dags", "plugins", "dbt_project"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert [line for line in tracked.splitlines() if line.startswith("??")] == []


def test_no_log_and_no_output_of_it_tells_a_secret(real_night: Night) -> None:
    settings = real_night.home.settings
    secrets = {path.name: path.read_text() for path in (settings.home / "secrets").iterdir()}
    database = conninfo_to_dict(warehouse.database_url(settings))
    secrets["database password"] = database["password"]
    assert {"reader_password", "personal_key"} <= set(secrets)
    assert all(len(secret) > 15 for secret in secrets.values())
    # The cluster's files hold what is in it, hashed passwords too; its log is below logs.
    logs = [
        path
        for folder in ("logs", "dbt", "airflow", "data_docs")
        for path in (settings.home / folder).rglob("*")
        if path.is_file()
    ]
    assert logs
    texts = {str(path): path.read_bytes() for path in logs}
    for name in ("published", "again"):
        output = getattr(real_night, name)
        assert output.stdout
        texts[name] = (output.stdout + output.stderr).encode()
    seen = "\n".join(real_night.home.processes)
    assert all(f"{program} -D {settings.home}" in seen for program in ("pg_ctl", "initdb")), seen
    texts["the list of processes"] = seen.encode()
    with warehouse.connect(settings) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'ops'")
        for (table,) in tables.fetchall():
            query = sql.SQL("select string_agg(kept::text, ' ') from ops.{} as kept")
            [kept] = connection.execute(query.format(sql.Identifier(table))).fetchone()
            texts[f"ops.{table}"] = (kept or "").encode()
    assert texts["ops.runs"]
    for place, text in texts.items():
        for name, secret in secrets.items():
            assert secret.encode() not in text, f"{name} is in {place}"


def test_a_date_that_is_none_gives_one_clear_line(real_night: Night) -> None:
    outcome = real_night.home.run("night", "2026-02-30")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.strip() == "DATE=2026-02-30: not a date; write it like 2026-03-09."
