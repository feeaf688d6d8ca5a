"""The steps of a night, one function per task of ``dags/nightly.py``.

Each step can be killed at any point and run again: landing and publication are transactions, the
models always go on from the night published last, the gates replace their own results. Each works
as the one role it needs; the rooms, the lease and the run's own row are the owner's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache

import psycopg
from psycopg import sql

from fieldscore import business_dates, extent, lease, publish, roles, transform, warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings

Say = Callable[[str], None]

# A night further than this past the last delivery would publish an empty, fully matured month.
DAYS_PAST_LAST_DELIVERY = 3

# Thirteen months, so that a month can be held against the same one of the year before.
FINDINGS_KEPT_DAYS = 400


def open_night(
    settings: Settings, business_date: date, airflow_run_id: str, say: Say = print
) -> int:
    """Make the rooms and take the lease; return the run's id."""
    from fieldscore import policy

    url = warehouse.database_url(settings)
    with warehouse.connect(url) as connection:
        warehouse.migrate(connection, settings)
        publish.prepare(connection, transform.manifest(settings))
    return lease.take(
        url,
        business_date,
        business_dates.end_of(business_date, settings.zone),
        settings.time_zone,
        (code_version(), policy.version_on(business_date)),
        airflow_run_id,
        say=say,
    )


def check_declarations(settings: Settings, run_id: int) -> None:
    """Refuse wrong declarations, expectations and policy before anything is touched."""
    from fieldscore import policy, quality
    from fieldscore.feeds import load_declarations, store_declarations

    declarations = load_declarations(settings.feeds)
    quality.validate_suites()
    policy.validate()
    with _writing(settings, run_id, roles.LANDING) as connection:
        store_declarations(connection, declarations, settings.time_zone)


def await_deliveries(
    settings: Settings, run_id: int, business_date: date, say: Say = print
) -> None:
    """Wait for every required feed's delivery of the date, as long as its declaration says."""
    from fieldscore.feeds import load_declarations
    from fieldscore.sources import await_delivery

    with lease.held(warehouse.database_url(settings), run_id):
        for declaration in load_declarations(settings.feeds).values():
            await_delivery(settings, declaration, business_date, say=say)


def land(settings: Settings, run_id: int, business_date: date, feed: str, say: Say = print) -> int:
    """Land every delivery of a feed the ledger does not have; return how many rows came."""
    from fieldscore.feeds import load_declarations
    from fieldscore.landing import land_feed

    declaration = load_declarations(settings.feeds)[feed]
    url = warehouse.url_as(settings, roles.LANDING)
    with lease.held(warehouse.database_url(settings), run_id):
        landed = land_feed(settings, url, declaration, business_date, guard=_fence(run_id), say=say)
    return sum(load.rows for load in landed)


def check_raw(settings: Settings, run_id: int, say: Say = print) -> None:
    """The gate on what was delivered tonight."""
    from fieldscore.feeds import declared_feeds

    _gate(settings, run_id, "raw", "raw", declared_feeds(settings.feeds), say)


def is_newest(settings: Settings, run_id: int, business_date: date, say: Say = print) -> bool:
    """Whether this night is to be scored: as_of never goes back. If not, the run ends as `landed`.

    A night at or before the last published date only lands; the next night carries what it brought.
    Raises FieldscoreError for a night far past the last delivery.
    """
    with warehouse.connect(settings) as connection:
        published = _published_date(connection)
        delivered = connection.execute(
            "select max(business_date) from ops.loads where business_date <= %s", [business_date]
        ).fetchone()[0]
    if published and business_date <= published:
        with _writing(settings, run_id, roles.PUBLISH, to_end_it=True) as connection:
            connection.execute("update ops.runs set status = 'landed' where run_id = %s", [run_id])
        say(
            f"{business_date} does not lie after the last published date {published}: landed only;"
            " the next night carries what it brought."
        )
        return False
    if delivered is None or business_date - delivered > timedelta(days=DAYS_PAST_LAST_DELIVERY):
        raise FieldscoreError(
            f"{business_date} is far past the last delivery ({delivered or 'none at all'}):"
            " publishing it would show a month in which nothing happened."
            " Give the date of a delivery, or bring the deliveries."
        )
    return True


def stage(settings: Settings, run_id: int, anew: bool = False, say: Say = print) -> None:
    """Load the policy where it changed, type what was landed, number the touched records' versions.

    anew: make everything again, as is done by itself where what all records rest on has changed.
    """
    from fieldscore import policy

    with lease.held(warehouse.database_url(settings), run_id):
        with _writing(settings, run_id, roles.TRANSFORM) as connection:
            changed = policy.load(connection, settings)
        with _writing(settings, run_id, to_end_it=True) as connection:
            extent.begin(connection, run_id, code_version(), settings.time_zone, anew)
        if changed:
            transform.build(settings, "policy", run_id=run_id, say=say)
            with _writing(settings, run_id, roles.TRANSFORM) as connection:
                policy.mark_loaded(connection)
        transform.build(settings, "staging", *_extent(settings, run_id), run_id=run_id, say=say)
        with _writing(settings, run_id, to_end_it=True) as connection:
            reason = extent.complete(connection, run_id)
    say(f"everything is made again: {reason}" if reason else "only what changed is made again")


def score(settings: Settings, run_id: int, say: Say = print) -> None:
    """Clocks, credit and repeats, then every KPI, benchmark, score and line."""
    with lease.held(warehouse.database_url(settings), run_id):
        transform.build(settings, "scores", *_extent(settings, run_id), run_id=run_id, say=say)


def audit(settings: Settings, run_id: int, say: Say = print) -> None:
    """Build the marts beside the published ones, contracts on, and run dbt's tests on them."""
    url = warehouse.database_url(settings)
    with lease.held(url, run_id), _naming_gate(settings, run_id, "dbt tests"):
        transform.build(settings, "audit", *_extent(settings, run_id), run_id=run_id, say=say)


def check_marts(settings: Settings, run_id: int, say: Say = print) -> None:
    """The gate on the audited marts; notes what it let pass for publication."""
    manifest = transform.manifest(settings)
    with warehouse.connect(warehouse.url_as(settings, roles.AUDIT)) as connection:
        standing = publish.may_stand(connection, manifest, run_id)
    _gate(settings, run_id, "marts", "audit", None, say, standing)
    with _writing(settings, run_id, roles.AUDIT) as connection:
        publish.record_audit(connection, manifest, run_id)


def publish_night(settings: Settings, run_id: int, say: Say = print) -> None:
    """Carry the audited night to ``marts`` in one transaction."""
    manifest = transform.manifest(settings)
    held = lease.held(warehouse.database_url(settings), run_id)
    with held, warehouse.connect(warehouse.url_as(settings, roles.PUBLISH)) as connection:
        publish.publish(
            connection,
            manifest,
            run_id,
            lambda within: lease.check(within, run_id, to_end_it=True),
            say=say,
        )


def close_night(settings: Settings, run_id: int, say: Say = print) -> str:
    """Give the lease back, renew the data docs, let go what is kept long enough and say how the run
    ended; return its status."""
    from fieldscore.quality import build_docs

    with warehouse.connect(settings) as connection:
        connection.execute(
            "update ops.runs set status = 'failed' where run_id = %s and status = 'running'",
            [run_id],
        )
        [status, message] = connection.execute(
            "select status, message from ops.runs where run_id = %s", [run_id]
        ).fetchone()
        _let_go(connection)
    build_docs(warehouse.url_as(settings, roles.AUDIT), settings.home / "data_docs")
    say(f"run {run_id}: {status}{': ' + message if message else ''}")
    return status


def note_failure(settings: Settings, run_id: int, message: str) -> None:
    """Keep the first thing that went wrong with the run, for those who look in the morning."""
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update ops.runs set message = coalesce(message, %s) where run_id = %s",
            [message, run_id],
        )


def rebuild(settings: Settings, business_date: date, say: Say = print) -> None:
    """Compute and publish everything anew from what raw holds, as of a business date.

    The one way by which as_of goes back. Lands nothing; records of earlier publications, such as
    benchmarks, are read and not made anew.
    """
    run_id = open_night(settings, business_date, f"rebuild {business_date} {os.getpid()}", say=say)
    try:
        check_declarations(settings, run_id)
        stage(settings, run_id, anew=True, say=say)
        for step in (score, audit, check_marts, publish_night):
            step(settings, run_id, say=say)
    except FieldscoreError as wrong:
        note_failure(settings, run_id, str(wrong))
        raise
    finally:
        close_night(settings, run_id, say=say)


def is_published(settings: Settings, business_date: date) -> bool:
    """Whether the marts show this business date or a later one."""
    with warehouse.connect(settings) as connection:
        published = _published_date(connection)
    return published is not None and business_date <= published


@cache
def code_version() -> str:
    """A fingerprint of everything that decides a score: models, policy, code."""
    digest = hashlib.sha256()
    for folder in ("dbt_project", "plugins"):
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".sql", ".yml", ".csv", ".py") and "target" not in path.parts:
                digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _let_go(connection: psycopg.Connection) -> None:
    """Delete what the gates of long past runs found; docs/scaling.md has how long what is kept."""
    for table in ("quality_results", "audited"):
        connection.execute(
            sql.SQL(
                "delete from ops.{} where run_id in (select run_id from ops.runs"
                " where started_at < (now() at time zone 'UTC') - make_interval(days => %s))"
            ).format(sql.Identifier(table)),
            [FINDINGS_KEPT_DAYS],
        )


def _published_date(connection: psycopg.Connection) -> date | None:
    there = connection.execute("select to_regclass('marts.publication')").fetchone()[0]
    row = there and connection.execute("select business_date from marts.publication").fetchone()
    return row[0] if row else None


def _extent(settings: Settings, run_id: int) -> tuple[str, ...]:
    """dbt's options for how far this run reaches; nothing of it may have been lost."""
    with warehouse.connect(settings) as connection:
        extent.check_alive(connection, run_id)
        if extent.because(connection, run_id) is not None:
            return ("--full-refresh",)
        if extent.views_stand(connection, transform.views(settings)):
            return ("--exclude", "config.materialized:view")
        return ()


def _gate(
    settings: Settings,
    run_id: int,
    gate: str,
    layer: str,
    tables: list[str] | None,
    say: Say,
    standing: Collection[str] = (),
) -> None:
    from fieldscore import quality

    held = lease.held(warehouse.database_url(settings), run_id)
    with held, _naming_gate(settings, run_id, gate):
        url = warehouse.url_as(settings, roles.AUDIT)
        outcome = quality.check(url, gate, layer, run_id, tables, standing=standing)
        say(str(outcome))
        quality.raise_on_critical(outcome)


@contextmanager
def _naming_gate(settings: Settings, run_id: int, gate: str) -> Iterator[None]:
    try:
        yield
    except FieldscoreError:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "update ops.runs set failed_gate = %s where run_id = %s", [gate, run_id]
            )
        raise


def _fence(run_id: int) -> Callable[[psycopg.Connection], None]:
    return lambda connection: lease.check(connection, run_id)


@contextmanager
def _writing(
    settings: Settings, run_id: int, role: str | None = None, *, to_end_it: bool = False
) -> Iterator[psycopg.Connection]:
    """One transaction, of a role or of the owner, that shows the fencing number."""
    url = warehouse.url_as(settings, role) if role else warehouse.database_url(settings)
    with warehouse.connect(url) as connection, connection.transaction():
        lease.check(connection, run_id, to_end_it=to_end_it)
        yield connection
