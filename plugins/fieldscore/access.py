"""Who sees whom in the marts: row-level security, and the logins of people.

A person's login sees the technicians of an area, as the marts show it today, or one technician:
``ops.access`` says so, and no setting of a session can. Each mart that names a technician answers
with his rows alone; a mart without one (KPIs, areas, benchmarks) is the same for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from fieldscore import roles, warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings

LOOKUP = Path(__file__).parent / "sql" / "visible_technicians.sql"
GUARD = Path(__file__).parent / "sql" / "guard_mart.sql"

# Whose row it is, where a mart names several: who answers for the order, not who holds it now.
PERSONS = ("accountable_technician_id", "technician_id")

# What a login may be called: nothing that needs quotes, in SQL or in a file's name.
LOGIN = re.compile("[a-z][a-z0-9_]{0,47}")


def person_of(mart: str, columns: Sequence[str]) -> str | None:
    """The column that says whose row it is; None where a mart names nobody.

    Raises FieldscoreError for a mart about orders or technicians that does not say it in a column
    of PERSONS: its rows would be everybody's.
    """
    for column in PERSONS:
        if column in columns:
            return column
    if about := [name for name in columns if name == "order_id" or "technician_id" in name]:
        raise FieldscoreError(
            f"marts.{mart} has {', '.join(about)} and does not say whose rows they are: it needs a"
            f" column {' or '.join(PERSONS)}, by which row-level security guards it."
        )
    return None


def make_lookup(connection: psycopg.Connection) -> None:
    """Whom a login sees, as a function; marts.dim_technicians must be there."""
    connection.execute(LOOKUP.read_text())


def guard(connection: psycopg.Connection, mart: str, columns: Sequence[str]) -> None:
    """Guard the rows of a mart that names somebody, then let it be read; idempotent.

    Where nothing is new no lock is taken for which readers would have to wait.
    """
    table = sql.Identifier("marts", mart)
    person = person_of(mart, columns)
    if person and not _is_guarded(connection, mart, person):
        names = {
            "table": table,
            "person": sql.Identifier(person),
            "by_person": sql.Identifier(f"by_{person}"),
            "former": sql.SQL(" ").join(
                sql.SQL("drop policy if exists {} on {};").format(sql.Identifier(name), table)
                for name in ("publication", "whole_company", *(f"by_{name}" for name in PERSONS))
            ),
        }
        connection.execute(sql.SQL(GUARD.read_text()).format(**names))
    let_read(connection, mart)
    connection.execute(
        sql.SQL("grant select, insert, update, delete on {} to {}").format(
            table, sql.Identifier(roles.PUBLISH)
        )
    )


def let_read(connection: psycopg.Connection, relation: str) -> None:
    """Let a mart, or a view of marts, be read by all who read marts; their rows are guarded."""
    readers = (roles.READER, roles.PEOPLE, roles.TRANSFORM, roles.AUDIT)
    connection.execute(
        sql.SQL("grant select on {} to {}").format(
            sql.Identifier("marts", relation), sql.SQL(", ").join(map(sql.Identifier, readers))
        )
    )


def _is_guarded(connection: psycopg.Connection, mart: str, person: str) -> bool:
    return connection.execute(
        "select relrowsecurity and relforcerowsecurity and %s::name[] <@ array("
        " select polname from pg_policy where polrelid = pg_class.oid)"
        " from pg_class where oid = to_regclass(%s)",
        [["publication", "whole_company", f"by_{person}"], f"marts.{mart}"],
    ).fetchone()[0]


def grant(
    connection: psycopg.Connection,
    settings: Settings,
    login: str,
    areas: Sequence[str] = (),
    technicians: Sequence[str] = (),
) -> None:
    """Let a person's login see the technicians of these areas, and these technicians.

    The login and its password (a secret of the home) are made if missing. Raises FieldscoreError
    for a name that will not do and for an area or a technician the marts do not know.
    """
    _check_login(connection, login)
    wanted = [("area_id", area) for area in areas] + [("technician_id", t) for t in technicians]
    if not wanted:
        raise FieldscoreError("Say whom the login may see: --area or --technician.")
    for column, value in wanted:
        _check_known(connection, column, value)
    with connection.transaction():
        roles.change(
            connection,
            login,
            lambda: roles.make_login(connection, login, settings.secret(f"login_{login}")),
        )
        connection.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(roles.PEOPLE), sql.Identifier(login))
        )
        for column, value in wanted:
            connection.execute(
                sql.SQL(
                    "insert into ops.access (login, {}) values (%s, %s) on conflict do nothing"
                ).format(sql.Identifier(column)),
                [login, value],
            )


def revoke(
    connection: psycopg.Connection,
    settings: Settings,
    login: str,
    areas: Sequence[str] = (),
    technicians: Sequence[str] = (),
) -> None:
    """Take areas and technicians away from a person's login, or, where none is named, the login.

    It holds for the next query of a session that is open. A login that sees nobody any more goes,
    and its password with it. Taking away what is not there changes nothing.
    """
    _check_login(connection, login)
    everything = not (areas or technicians)
    with connection.transaction():
        connection.execute(
            "delete from ops.access where login = %s"
            " and (%s or area_id = any (%s) or technician_id = any (%s))",
            [login, everything, list(areas), list(technicians)],
        )
        left = connection.execute("select 1 from ops.access where login = %s", [login])
        if left.fetchone():
            return
        if roles.exists(connection, login):
            drop = sql.SQL("drop role {}").format(sql.Identifier(login))
            roles.change(connection, login, lambda: connection.execute(drop))
    settings.discard_secret(f"login_{login}")


def login_url(settings: Settings, login: str) -> str:
    """The URL by which a person reads. Raises FieldscoreError where nothing was granted."""
    with warehouse.connect(settings) as connection:
        if login not in {name for name, *_ in granted(connection)}:
            raise FieldscoreError(f"--login {login!r}: nothing was granted to it.")
    return warehouse.login_url(settings, login, settings.secret(f"login_{login}"))


def granted(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    """Who sees whom: (login, 'area' or 'technician', its id), in order."""
    return connection.execute(
        "select login, case when area_id is null then 'technician' else 'area' end,"
        " coalesce(area_id, technician_id) from ops.access order by 1, 2, 3"
    ).fetchall()


def _check_login(connection: psycopg.Connection, login: str) -> None:
    """A name of ours to give: not one of the warehouse's own roles, nor somebody else's."""
    if not LOGIN.fullmatch(login):
        raise FieldscoreError(
            f"--login {login!r}: a login is at most 48 lowercase letters, digits and underscores,"
            " and begins with a letter."
        )
    is_ours = connection.execute(
        "select pg_has_role(oid, %s, 'usage') and rolcanlogin"
        " and not rolsuper and not rolcreaterole from pg_roles where rolname = %s",
        [roles.PEOPLE, login],
    ).fetchone()
    if is_ours == (False,):
        raise FieldscoreError(
            f"--login {login}: the server has a role of this name that no access was granted to;"
            " choose another name."
        )


def _check_known(connection: psycopg.Connection, column: str, value: str) -> None:
    mart = {"area_id": "dim_areas", "technician_id": "dim_technicians"}[column]
    there = connection.execute("select to_regclass(%s)", [f"marts.{mart}"]).fetchone()[0]
    query = sql.SQL("select 1 from {} where {} = %s").format(
        sql.Identifier("marts", mart), sql.Identifier(column)
    )
    if not there or not connection.execute(query, [value]).fetchone():
        raise FieldscoreError(f"marts.{mart} has no {column} {value!r}.")
