"""The warehouse's roles and their rights, made and put right before every night.

A night connects as the owner and takes, step by step, the one role that the step needs (acting_as):
so an external database needs one login that may make roles, and no step can do another's work.
Which rows of the marts a person sees is ``access``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fieldscore.canonical import PROVENANCE, Feed, canonical_feeds
from fieldscore.errors import FieldscoreError

RIGHTS = Path(__file__).parent / "sql" / "rights.sql"

LANDING = "fieldscore_landing"
TRANSFORM = "fieldscore_transform"
AUDIT = "fieldscore_audit"
PUBLISH = "fieldscore_publish"
# The only one that may read base pay. No night takes it yet: no incentive model is there.
INCENTIVE = "fieldscore_incentive"
STEPS = (LANDING, TRANSFORM, AUDIT, PUBLISH, INCENTIVE)

# What BI connects as: it reads all of schema marts and nothing else.
READER = "fieldscore_reader"
# Everybody with a login of his own: reads of schema marts what `access` lets him see.
PEOPLE = "fieldscore_people"

READER_SETTINGS = {
    # Several statements of one page must not straddle a publication.
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    "statement_timeout": "5min",
    "search_path": "marts",
}


def acting_as(url: str, role: str) -> str:
    """Connection parameters by which the login of a URL works as one of its roles from the start.

    For every driver: psycopg, ADBC, SQLAlchemy. Who holds the login can lay the role down again: it
    bounds what a step does, not what its password is worth.
    """
    options = conninfo_to_dict(url).get("options", "")
    return make_conninfo(url, options=f"{options} -c role={role}".strip())


def complete(connection: psycopg.Connection, reader_password: str) -> None:
    """Make the roles that are missing and give each its rights, within the caller's transaction.

    Raises FieldscoreError when the owner may not make roles.
    """
    for role in (*STEPS, PEOPLE):
        change(connection, role, lambda role=role: _complete_group(connection, role))
    change(connection, READER, lambda: make_login(connection, READER, reader_password))
    connection.execute(RIGHTS.read_text())
    for feed in canonical_feeds().values():
        _give_raw(connection, feed)


def change(connection: psycopg.Connection, role: str, work: Callable[[], object]) -> None:
    """Do something to a role, as often as it takes.

    Roles belong to the whole server: a migration of another warehouse on it may be changing the
    same role now, which no lock of one database prevents. The loser waits, fails and tries again.
    Raises FieldscoreError when the owner may not.
    """
    for attempt in range(20):
        try:
            with connection.transaction():
                work()
            return
        except (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            if attempt == 19:
                raise
        except errors.InsufficientPrivilege as refused:
            owner = connection.info.user
            raise FieldscoreError(
                f"{owner} may not make the role {role}: {refused.diag.message_primary}. Let an"
                f' administrator run: alter role "{owner}" createrole; and, for each role that is'
                f' there already: grant {role} to "{owner}" with admin option.'
            ) from refused


def exists(connection: psycopg.Connection, role: str) -> bool:
    """Whether the server has this role, of whatever kind."""
    there = connection.execute("select 1 from pg_roles where rolname = %s", [role])
    return there.fetchone() is not None


def make_login(connection: psycopg.Connection, login: str, password: str) -> None:
    """A login that reads: made if missing, its password and its settings as they ought to be."""
    name = sql.Identifier(login)
    if not exists(connection, login):
        connection.execute(sql.SQL("create role {}").format(name))
    # Hashed here, so that no log of the server can show it.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("alter role {} with login password {}").format(name, sql.Literal(verifier))
    )
    for setting, value in READER_SETTINGS.items():
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(
                name, sql.Identifier(setting), sql.Literal(value)
            )
        )


def _complete_group(connection: psycopg.Connection, role: str) -> None:
    name = sql.Identifier(role)
    if not exists(connection, role):
        connection.execute(sql.SQL("create role {} nologin").format(name))
    # Who makes a role may give it, but does not have it (PostgreSQL 16 and later).
    [has] = connection.execute("select pg_has_role(current_user, %s, 'usage')", [role]).fetchone()
    if role in STEPS and not has:
        connection.execute(sql.SQL("grant {} to current_user").format(name))


def _give_raw(connection: psycopg.Connection, feed: Feed) -> None:
    """raw.<feed>: landing adds rows, the models and the gates read all that is not confidential."""
    open_columns = [name for name in feed.columns if name not in feed.confidential]
    names = {
        "table": sql.Identifier("raw", feed.name),
        "open": sql.SQL(", ").join(map(sql.Identifier, [*PROVENANCE, *open_columns])),
        "landing": sql.Identifier(LANDING),
        "readers": sql.SQL(", ").join(map(sql.Identifier, (TRANSFORM, AUDIT))),
        "incentive": sql.Identifier(INCENTIVE),
    }
    rights = [
        # A column that became confidential is taken back.
        "revoke all on {table} from {landing}, {readers}, {incentive}",
        "grant insert, select (row_hash) on {table} to {landing}",
        "grant select ({open}) on {table} to {readers}",
    ]
    if feed.confidential:
        rights.append("grant select on {table} to {incentive}")
    for right in rights:
        connection.execute(sql.SQL(right).format(**names))
