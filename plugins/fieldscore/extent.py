"""How far a night reaches: what changed since the night published last, or everything.

A night follows its records' consequences (``dbt_project/models/scope``). What all of them rest on,
the *basis*, has no keys to follow: where it differs from the published run's, or where anything is
not known for certain, everything is made again.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.types.json import Jsonb

from fieldscore.errors import FieldscoreError

# What a person is told of each part of the basis that differs.
TOLD = {
    "code": "models, policy or code changed",
    "time_zone": "the project's time zone changed",
    "declarations": "a declaration reads differently",
    "feed_starts": "a feed counts from another day",
}


def begin(
    connection: psycopg.Connection, run_id: int, code: str, time_zone: str, anew: bool
) -> None:
    """Note what is known before staging. anew: a person asked for everything to be made again."""
    connection.execute("update ops.runs set rebuilt_because = null where run_id = %s", [run_id])
    declarations = connection.execute(
        "select jsonb_object_agg(feed, concat_ws(' ', fingerprint, counts_from))"
        " from ops.declarations"
    ).fetchone()[0]
    basis = {"code": code, "time_zone": time_zone, "declarations": declarations}
    unfinished = [TOLD[part] for part in _staged_otherwise(connection, run_id, basis)]
    if unfinished:
        unfinished = [f"{'; '.join(unfinished)} in a night that was not published"]
    if anew:
        unfinished.insert(0, "a rebuild was asked for")
    _note(connection, run_id, basis, unfinished)
    connection.execute("delete from ops.alive")
    connection.execute("insert into ops.alive (run_id) values (%s)", [run_id])
    # Uncounted, the server takes them for a thousand rows each, and joins as if they were.
    connection.execute("analyze ops.night, ops.runs, ops.declarations, marts.publication")


def complete(connection: psycopg.Connection, run_id: int) -> str | None:
    """Note what only staging can tell; return why everything is to be made again, or None."""
    starts = connection.execute(
        "select coalesce(jsonb_object_agg(feed, counts_from), '{}') from intermediate.int_feeds"
    ).fetchone()[0]
    [moved] = connection.execute(
        "select string_agg(published.area_id, ', ' order by published.area_id)"
        " from marts.dim_areas as published cross join ops.night"
        " left join staging.stg_areas_history as areas"
        " on areas.area_id = published.area_id and areas.is_current"
        " where published.time_zone <> coalesce(areas.time_zone, night.time_zone)"
        " or published.calendar_id <> coalesce(areas.calendar_id, 'standard')"
    ).fetchone()
    told = [f"time zone or calendar changed of the areas {moved}"] if moved else []
    _note(connection, run_id, {"feed_starts": starts}, told)
    return because(connection, run_id)


def because(connection: psycopg.Connection, run_id: int) -> str | None:
    """Why this run makes everything again, or None where it is a night of what changed."""
    [reason] = connection.execute(
        "select rebuilt_because from ops.runs where run_id = %s", [run_id]
    ).fetchone()
    return reason


def views_stand(connection: psycopg.Connection, views: Sequence[str]) -> bool:
    """Whether all of dbt's views (schema.name) stand as a night makes them: none need be made.

    In a rebuild they read everything, and with a table made anew goes what reads it.
    """
    return connection.execute(
        "select bool_and(obj_description(to_regclass(name), 'pg_class') is not distinct from"
        " 'of a night') from unnest(%s::text[]) as name",
        [list(views)],
    ).fetchone()[0]


def check_alive(connection: psycopg.Connection, run_id: int) -> None:
    """Raise FieldscoreError where the server crashed since this run began to stage.

    Its tables are empty then, and an empty night looks like one in which nothing happened.
    """
    alive = connection.execute("select 1 from ops.alive where run_id = %s", [run_id]).fetchone()
    if not alive:
        raise FieldscoreError(
            f"The database server crashed since run {run_id} began, and with it went what is not"
            " logged. Nothing was published. Run the night again."
        )


def _staged_otherwise(connection: psycopg.Connection, run_id: int, basis: dict) -> list[str]:
    """The parts of the basis by which a run since the published one has staged otherwise.

    What it left in staging was read by other code or declarations, also of records that this run
    does not touch.
    """
    differing = connection.execute(
        "select distinct part.key from ops.runs cross join jsonb_each(%s) as part"
        " where run_id > (select run_id from marts.publication) and run_id <> %s"
        " and basis is not null and basis -> part.key is distinct from part.value",
        [Jsonb(basis), run_id],
    ).fetchall()
    return [part for part in TOLD if (part,) in differing]


def _note(connection: psycopg.Connection, run_id: int, basis: dict, reasons: list[str]) -> None:
    """Add to the run's basis, and to its reasons what of it differs from the published run's."""
    published = connection.execute(
        "select basis from ops.runs where run_id = (select run_id from marts.publication)"
    ).fetchone()
    if published is None:
        more = ["nothing is published yet"]
    elif published[0] is None:
        more = ["it is not known what the published night rests on"]
    else:
        more = [TOLD[part] for part in basis if published[0].get(part) != basis[part]]
    connection.execute(
        "update ops.runs set basis = coalesce(basis, '{}') || %s,"
        " rebuilt_because = coalesce(rebuilt_because, %s) where run_id = %s",
        [Jsonb(basis), "; ".join([*reasons, *more]) or None, run_id],
    )
