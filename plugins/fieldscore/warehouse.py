"""The warehouse: where it is, how to connect to it, and its rooms."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from fieldscore import local_postgres, roles
from fieldscore.canonical import PROVENANCE, Feed, canonical_feeds
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import Settings

SQL = Path(__file__).parent / "sql"

# What a night that was killed or cut off leaves on the server ends soon: its query, which may hold
# the lease's row, within seconds; a connection without a word of the other machine within a minute;
# a transaction of somebody who sleeps within five.
OWNER_SETTINGS = {
    "client_connection_check_interval": "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "5min",
}

# How a connection that goes away is told of, by whichever library.
LOST_CONNECTION = re.compile(
    "server closed the connection|connection already closed|connection is closed"
    "|connection to server .* failed|no connection to the server|terminating connection"
    "|could not (receive|send) data|the database system is"
)

# Any number: only migrations of one warehouse take it.
MIGRATION_LOCK = 20260309


def database_url(settings: Settings) -> str:
    """The owner's URL of the warehouse: the external one, or the embedded one, started if needed.

    Raises FieldscoreError for what is no URL or not PostgreSQL 15-18, PassingFault when an external
    server does not answer.
    """
    if settings.database_url:
        _check(settings.database_url)
        return settings.database_url
    return local_postgres.start(settings)


def reader_url(settings: Settings) -> str:
    """The URL by which BI reads: same place, reading role."""
    return login_url(settings, roles.READER, settings.secret("reader_password"))


def login_url(settings: Settings, login: str, password: str) -> str:
    """The URL of the same place for another login."""
    place = conninfo_to_dict(database_url(settings))
    return _url({**place, "user": login, "password": password})


def url_as(settings: Settings, role: str) -> str:
    """Where a step of the night works: the owner's login, acting as one of its roles."""
    return roles.acting_as(database_url(settings), role)


def connect(settings_or_url: Settings | str, **options: Any) -> psycopg.Connection:
    """Connect to the warehouse as its owner, or to the place of this URL.

    options: of ``psycopg.connect``. Raises as database_url does.
    """
    if isinstance(settings_or_url, Settings):
        settings_or_url = database_url(settings_or_url)
    try:
        place = conninfo_to_dict(settings_or_url)
    except psycopg.ProgrammingError:
        # Not chained: the parser's message may quote the password.
        raise FieldscoreError(
            "FIELDSCORE_DATABASE_URL is not a PostgreSQL URL; it looks like"
            " postgresql://user:password@host:5432/database."
        ) from None
    defaults = {"application_name": "fieldscore", "connect_timeout": 10}
    try:
        connection = psycopg.connect(**{**defaults, **place, **options})
    except psycopg.OperationalError as fault:
        raise PassingFault(f"The warehouse does not answer: {fault}") from fault
    major = connection.info.server_version // 10000
    if major not in local_postgres.VERSIONS:
        connection.close()
        raise FieldscoreError(
            f"The warehouse at {place.get('host', 'localhost')} is PostgreSQL {major};"
            f" {local_postgres.VERSIONS[0]} to {local_postgres.VERSIONS[-1]} work."
        )
    return connection


def migrate(connection: psycopg.Connection, settings: Settings) -> None:
    """Make or complete the warehouse's rooms, raw tables, functions, roles and rights.

    One transaction; running it again, or twice at once, is harmless. Raises FieldscoreError when
    the owner's rights or the database's encoding do not suffice.
    """
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise FieldscoreError(
            f"The warehouse database {connection.info.dbname} is not encoded in UTF8;"
            " create it with: create database ... encoding 'UTF8' template template0."
        )
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        for script in ("ops.sql", "functions.sql"):
            connection.execute((SQL / script).read_text())
        for feed in canonical_feeds().values():
            _complete_raw_table(connection, feed)
        for name, value in OWNER_SETTINGS.items():
            connection.execute(
                sql.SQL("alter role current_user in database {} set {} = {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(name), sql.Literal(value)
                )
            )
        roles.complete(connection, settings.secret("reader_password"))


def _complete_raw_table(connection: psycopg.Connection, feed: Feed) -> None:
    """raw.<feed>: provenance and every canonical column, as text."""
    table = sql.Identifier("raw", feed.name)
    connection.execute(
        sql.SQL(
            # No key and no foreign key to ops.loads: checked row by row they cost more than the
            # load itself, and landing writes a load and its rows once, in one transaction.
            "create table if not exists {table} ({provenance})"
        ).format(
            table=table,
            provenance=sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))
                for name, type_ in PROVENANCE.items()
            ),
        )
    )
    there = connection.execute(
        "select column_name from information_schema.columns"
        " where table_schema = 'raw' and table_name = %s",
        [feed.name],
    ).fetchall()
    missing = [name for name in feed.columns if (name,) not in there]
    if missing:
        add = sql.SQL("add column {} varchar")
        columns = sql.SQL(", ").join(add.format(sql.Identifier(name)) for name in missing)
        connection.execute(sql.SQL("alter table {} {}").format(table, columns))
    by_hash = f"{feed.name}_by_row_hash"
    if connection.execute("select to_regclass(%s)", [f"raw.{by_hash}"]).fetchone() == (None,):
        statements = [
            # What earlier versions had in their place.
            "alter table {table} drop constraint if exists {key}",
            "drop index if exists {hash_index}",
            "create index {by_load} on {table} using brin (load_id)",
            "create index {by_hash} on {table} (row_hash)",
        ]
        names = {
            "table": table,
            "key": sql.Identifier(f"{feed.name}_pkey"),
            "hash_index": sql.Identifier("raw", f"{feed.name}_by_hash"),
            "by_load": sql.Identifier(f"{feed.name}_by_load"),
            "by_hash": sql.Identifier(by_hash),
        }
        connection.execute(sql.SQL("; ").join(sql.SQL(s).format(**names) for s in statements))


@cache
def _check(url: str) -> None:
    connect(url).close()


def _url(place: dict[str, Any]) -> str:
    """The connection parameters as a URL."""
    place = {key: str(value) for key, value in place.items() if value is not None}
    user, password = (quote(place.pop(key), safe="") for key in ("user", "password"))
    host, port, database = (place.pop(key, "") for key in ("host", "port", "dbname"))
    if set(host) & set("/,:"):  # a socket's folder, several hosts, an IPv6 address
        place |= {"host": host, "port": port} if port else {"host": host}
        host = port = ""
    address = f"{host}:{port}" if port else host
    query = f"?{urlencode(place)}" if place else ""
    return f"postgresql://{user}:{password}@{address}/{quote(database, safe='')}{query}"
