"""Runs dbt in process: the command a person would type, with the warehouse's address filled in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict

from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import PROJECT, Settings
from fieldscore.warehouse import LOST_CONNECTION, database_url

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

DBT_PROJECT = PROJECT / "dbt_project"

# What a night runs, layer by layer; each is one task and one command.
LAYERS = {
    "policy": ["seed"],
    "staging": ["run", "--select", "+path:models/staging/history", "int_feeds"],
    "scores": [
        "run", "--select", "path:models/staging/tonight", "path:models/scope",
        "path:models/intermediate", "path:models/kpis", "--exclude", "int_feeds",
    ],
    "audit": ["build", "--select", "path:models/marts", "path:models/ops", "path:tests"],
}  # fmt: skip
# Unit tests guard the SQL when it changes; nightly data cannot change their outcome.
NIGHTLY = ["--exclude-resource-type", "unit_test"]


def build(
    settings: Settings,
    layer: str,
    *options: str,
    run_id: int,
    say: Callable[[str], None] = print,
) -> None:
    """Build one layer of LAYERS for a run. Raises FieldscoreError naming each node that failed."""
    command = LAYERS[layer]
    unit_tests = NIGHTLY if command[0] == "build" else ()
    run(settings, *command, *unit_tests, *options, run_id=run_id, say=say)


def run(
    settings: Settings,
    *arguments: str,
    run_id: int | None = None,
    say: Callable[[str], None] = print,
) -> Any:
    """Run one dbt command and return dbt's result, one line of progress per slow node.

    run_id: the run whose lease every model shows (ops.hold_lease); None for a person's own command.
    Raises FieldscoreError naming each node that failed and why, PassingFault when the warehouse
    went away meanwhile.
    """
    from dbt.cli.main import dbtRunner

    _keep_connections()
    started = time.monotonic()
    progress = _Progress(say)
    with _environment(settings, run_id):
        runner = dbtRunner(
            manifest=manifest(settings) if arguments[0] != "parse" else None,
            callbacks=[progress.tell],
        )
        outcome = runner.invoke([*arguments, *_places(settings)])
    failures = [
        f"{result.node.resource_type} {result.node.name}: {(result.message or '').strip()}"
        for result in getattr(outcome.result, "results", [])
        if result.status in ("error", "fail", "runtime error")
    ]
    command = " ".join(arguments)
    told = f"dbt {command} failed:\n  " + "\n  ".join(failures)
    if LOST_CONNECTION.search(f"{told} {outcome.exception}"):
        raise PassingFault(f"The warehouse went away: {told} {outcome.exception or ''}".strip())
    if failures:
        raise FieldscoreError(told)
    if outcome.exception:
        raise FieldscoreError(f"dbt {command} failed: {outcome.exception}") from outcome.exception
    if not outcome.success:
        raise FieldscoreError(f"dbt {command} failed; see {settings.home / 'dbt' / 'logs'}.")
    say(f"dbt {arguments[0]}: {progress.finished} done in {time.monotonic() - started:.1f} s")
    return outcome.result


def manifest(settings: Settings) -> Manifest:
    """The parsed project, parsed once per process; where nothing changed, from dbt's own cache."""
    return _parsed(settings)


def views(settings: Settings) -> list[str]:
    """The models that are views, as schema.name."""
    return [
        f"{node.schema}.{node.name}"
        for node in manifest(settings).nodes.values()
        if node.resource_type == "model" and node.config.materialized == "view"
    ]


@cache
def _parsed(settings: Settings) -> Manifest:
    from dbt.cli.main import dbtRunner

    with _environment(settings):
        outcome = dbtRunner().invoke(["parse", *_places(settings)])
    if not outcome.success:
        raise FieldscoreError(f"dbt_project does not parse: {outcome.exception}")
    return outcome.result


@cache
def _keep_connections() -> None:
    """Let dbt do one node after the other by the same connection, to the end of its command.

    By itself it opens one for each, whose caches are empty. dbt-snowflake has ``reuse_connections``
    for that and does it in this place; dbt-postgres has nothing of the kind.
    """
    from dbt.adapters.postgres.connections import PostgresConnectionManager
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    close = PostgresConnectionManager.release

    def release(manager: PostgresConnectionManager) -> None:
        connection = manager.get_if_exists()
        is_open = connection is not None and connection.state == "open"
        # What is in a transaction after a node, or was cut off, is closed as by dbt itself.
        if not is_open or connection.handle.info.transaction_status != TRANSACTION_STATUS_IDLE:
            close(manager)

    PostgresConnectionManager.release = release


def _places(settings: Settings) -> list[str]:
    return [
        "--project-dir", str(DBT_PROJECT),
        "--profiles-dir", str(DBT_PROJECT),
        "--target-path", str(settings.home / "dbt" / "target"),
        "--log-path", str(settings.home / "dbt" / "logs"),
        "--log-level", "none",
        # Debug logs and a manifest of megabytes, written several times a night, cost a second each.
        "--log-level-file", "info",
        "--no-write-json",
    ]  # fmt: skip


@contextmanager
def _environment(settings: Settings, run_id: int | None = None) -> Iterator[None]:
    """profiles.yml's variables. dbt keeps what is named DBT_ENV_SECRET_* out of logs and caches."""
    place = conninfo_to_dict(database_url(settings))
    ours = {
        "DBT_PGHOST": place["host"],
        "DBT_PGPORT": str(place.get("port", 5432)),
        "DBT_PGUSER": place["user"],
        "DBT_ENV_SECRET_PGPASSWORD": place["password"],
        "DBT_PGDATABASE": place["dbname"],
        "DBT_ENV_SECRET_APPLICATION": f"fieldscore run {run_id}" if run_id else "fieldscore dbt",
        "DO_NOT_TRACK": "1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Progress:
    """Tells which node finished, of how many, in what time, and since when the command works."""

    TOLD = ("LogModelResult", "LogSeedResult")
    FINISHED = (*TOLD, "LogTestResult", "LogFreshnessResult")

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.finished = 0
        self.began = datetime.now()

    def tell(self, event: Any) -> None:
        if event.info.name not in _Progress.FINISHED:
            return
        self.finished += 1
        data = event.data
        if event.info.name in _Progress.TOLD and data.execution_time >= 0.5:
            self.say(
                f"  {data.index} of {data.total} {data.node_info.node_name}"
                f" {data.execution_time:.1f} s (since {self.began:%H:%M:%S})"
            )
