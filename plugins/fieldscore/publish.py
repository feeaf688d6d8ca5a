"""Publication: what was audited becomes what BI reads, in one transaction, by touched keys.

``marts.*`` are made here once, from the models' contracts, and never swapped: grants, row-level
security and object ids stay. The tables are the owner's; publication may change their rows. Cost:
of a night, one pass over what was audited and what is published of the same keys; of a rebuild, one
pass over each mart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from fieldscore import access, extent
from fieldscore.errors import FieldscoreError

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

STEPS = Path(__file__).parent / "sql" / "steps"


@dataclass(frozen=True)
class Mart:
    """A mart's contract. columns: name → (type, description); touched_by: those columns of the
    primary key of which all rows are replaced together.

    touched_in: the models in which a night names the keys it touches, besides the rows it audits;
    None where a night audits all of the mart. clustered_by: the columns in whose order rows are
    written; the primary key where a contract says nothing else. indexes: further ones, each as SQL
    has it after the table's name.
    """

    name: str
    description: str
    columns: dict[str, tuple[str, str]]
    primary_key: list[str]
    touched_by: list[str]
    touched_in: list[str] | None
    clustered_by: list[str]
    indexes: list[str]

    @property
    def audited(self) -> sql.Identifier:
        return sql.Identifier("audit", self.name)

    @property
    def published(self) -> sql.Identifier:
        return sql.Identifier("marts", self.name)


def marts(manifest: Manifest) -> list[Mart]:
    """The marts that are tables, by name, from the models' contracts."""
    found = []
    for node in manifest.nodes.values():
        if node.resource_type == "model" and node.config.contract.enforced:
            [key] = [c for c in node.constraints if c.type == "primary_key"]
            columns = {c.name: (c.data_type, c.description) for c in node.columns.values()}
            indexes = node.config.meta.get("indexes", [])
            found.append(
                Mart(
                    name=node.name,
                    description=node.description,
                    columns=columns,
                    primary_key=list(key.columns),
                    touched_by=list(node.config.meta["touched_by"]),
                    touched_in=node.config.meta.get("touched_in"),
                    clustered_by=node.config.meta.get("clustered_by", list(key.columns)),
                    indexes=[*indexes, *_by_person(node.name, columns, key.columns, indexes)],
                )
            )
    return sorted(found, key=lambda mart: mart.name)


def _by_person(mart: str, columns, primary_key: Sequence[str], indexes: list[str]) -> list[str]:
    """The index that finds a person's rows, where no other one does.

    Without it row-level security would hold each row against every technician of an area.
    """
    person = access.person_of(mart, list(columns))
    if person is None or any(re.match(rf"\({person}\b", index) for index in indexes):
        return []
    return [] if primary_key[0] == person else [f"({person})"]


def views(manifest: Manifest) -> list[str]:
    """The views on other marts, by name: what has no contract of its own."""
    return sorted(
        node.name
        for node in manifest.nodes.values()
        if node.resource_type == "model"
        and node.schema == "audit"
        and not node.config.contract.enforced
    )


def prepare(connection: psycopg.Connection, manifest: Manifest) -> None:
    """Make the marts that are missing, complete those whose contract grew, guard all; idempotent.

    Where nothing is new no lock is taken for which the server's own vacuum would have to give way.
    A column that went or changed its type takes a step of sql/steps/ (one SQL file, run once, in
    name order). Raises FieldscoreError naming the column where there is none.
    """
    with connection.transaction():
        _run_steps(connection)
        contracts = marts(manifest)
        for mart in contracts:
            _complete(connection, mart)
        access.make_lookup(connection)
        for mart in contracts:
            access.guard(connection, mart.name, list(mart.columns))
    _count_grown(connection)


def _count_grown(connection: psycopg.Connection) -> None:
    """Count the marts that are twice what they were when last counted, as after a first night.

    The server would do it by itself, a minute too late for the next night of a backfill, which
    would read a whole mart where it needs a few keys.
    """
    grown = connection.execute(
        "select oid::regclass::text from pg_class"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r'"
        " and pg_relation_size(oid) > 2 * relpages * current_setting('block_size')::bigint"
    ).fetchall()
    for (mart,) in grown:
        connection.execute(f"analyze {mart}")


def _run_steps(connection: psycopg.Connection) -> None:
    done = {name for (name,) in connection.execute("select name from ops.steps")}
    for step in sorted(STEPS.glob("*.sql")):
        if step.name not in done:
            connection.execute(step.read_text())
            connection.execute("insert into ops.steps (name) values (%s)", [step.name])


def _complete(connection: psycopg.Connection, mart: Mart) -> None:
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))
        for name, (type_, _) in mart.columns.items()
    ]
    connection.execute(
        sql.SQL("create table if not exists {} ({}, primary key ({}))").format(
            mart.published, sql.SQL(", ").join(definitions), _columns(mart.primary_key)
        )
    )
    there = _types(connection, "marts", mart.name)
    for name, definition in zip(mart.columns, definitions, strict=True):
        if name not in there:
            connection.execute(
                sql.SQL("alter table {} add column {}").format(mart.published, definition)
            )
    _describe(connection, mart)
    for number, index in enumerate(mart.indexes, 1):
        name = f"{mart.name}_{number}"
        if connection.execute("select to_regclass(%s)", [f"marts.{name}"]).fetchone() == (None,):
            connection.execute(
                sql.SQL("create index {} on {} {}").format(
                    sql.Identifier(name), mart.published, sql.SQL(index)
                )
            )
    # PostgreSQL names types in its own words: let it say both sides.
    connection.execute(
        sql.SQL("create temporary table contract ({}) on commit drop").format(
            sql.SQL(", ").join(definitions)
        )
    )
    wanted = _types(connection, None, "contract")
    connection.execute("drop table contract")
    for name, type_ in _types(connection, "marts", mart.name).items():
        if wanted.get(name) != type_:
            change = "is not in its contract any more"
            if name in wanted:
                change = f"is {type_} and by its contract {wanted[name]}"
            raise FieldscoreError(
                f"marts.{mart.name}.{name} {change}. Add a file to plugins/fieldscore/sql/steps/"
                " that alters the table, and a CHANGELOG line for those who read it."
            )


def _describe(connection: psycopg.Connection, mart: Mart) -> None:
    """Say in the database what the mart and its columns hold, where it says something else."""
    said = connection.execute(
        "select attname, col_description(attrelid, attnum) from pg_attribute"
        " where attrelid = to_regclass(%(mart)s) and attnum > 0"
        " union all select null, obj_description(to_regclass(%(mart)s), 'pg_class')",
        {"mart": f"marts.{mart.name}"},
    ).fetchall()
    wanted = {None: mart.description, **{name: text for name, (_, text) in mart.columns.items()}}
    for name, text in wanted.items() - set(said):
        what, of = ("column", [name]) if name else ("table", [])
        connection.execute(
            sql.SQL("comment on {} {} is {}").format(
                sql.SQL(what), sql.Identifier("marts", mart.name, *of), sql.Literal(text)
            )
        )


def _types(connection: psycopg.Connection, schema: str | None, table: str) -> dict[str, str]:
    return dict(
        connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
            " order by attnum",
            [f"{schema}.{table}" if schema else table],
        ).fetchall()
    )


def may_stand(connection: psycopg.Connection, manifest: Manifest, run_id: int) -> list[str]:
    """The audited tables that may be empty: a night brings a part of their marts, which are not."""
    if extent.because(connection, run_id) is not None:
        return []
    parts = [mart for mart in marts(manifest) if mart.touched_in is not None]
    any_row = sql.SQL("select exists (select from {})")
    return [
        f"audit.{mart.name}"
        for mart in parts
        if connection.execute(any_row.format(mart.published)).fetchone()[0]
    ]


def record_audit(connection: psycopg.Connection, manifest: Manifest, run_id: int) -> None:
    """Note how many rows of each mart the gate let pass, and how many keys the night touches;
    publication demands the same."""
    with connection.transaction():
        whole = extent.because(connection, run_id) is not None
        connection.execute("delete from ops.audited where run_id = %s", [run_id])
        for mart in marts(manifest):
            keys = _ask(connection, mart, whole)
            connection.execute(
                sql.SQL("insert into ops.audited select %s, %s, count(*), %s from {}").format(
                    mart.audited
                ),
                [run_id, mart.name, keys],
            )


def _ask(connection: psycopg.Connection, mart: Mart, whole: bool) -> int | None:
    """List in a table ``asked`` the keys a night asks for; how many, or None where it is all."""
    connection.execute("drop table if exists asked")
    if whole or mart.touched_in is None:
        return None
    key = _columns(mart.touched_by)
    named = [mart.audited, *(sql.Identifier("intermediate", name) for name in mart.touched_in)]
    select = sql.SQL(" union ").join(
        sql.SQL("select {} from {}").format(key, table) for table in named
    )
    # In the order of the index they are looked up in: its pages are then read one by one.
    select += sql.SQL(" order by {}").format(key)
    connection.execute(sql.SQL("create temporary table asked on commit drop as {}").format(select))
    connection.execute("analyze asked")
    return connection.execute("select count(*) from asked").fetchone()[0]


def publish(
    connection: psycopg.Connection,
    manifest: Manifest,
    run_id: int,
    guard: Callable[[psycopg.Connection], None],
    say: Callable[[str], None] = print,
) -> None:
    """Carry the audited night to ``marts`` in one transaction.

    guard: raises when this run does not hold the lease; it locks the run's row to the end of the
    transaction. Raises FieldscoreError when a mart is not what the gate of this run saw.
    """
    with connection.transaction():
        guard(connection)
        extent.check_alive(connection, run_id)
        whole = extent.because(connection, run_id) is not None
        replaced = {mart.name: _carry(connection, mart, run_id, whole) for mart in marts(manifest)}
        for view in views(manifest):
            _carry_view(connection, view)
        connection.execute(
            "update marts.publication set published_at = clock_timestamp() at time zone 'UTC'"
        )
        connection.execute(
            "update ops.runs set status = 'published', published_at = p.published_at,"
            " last_load_id = (select max(load_id) from ops.loads)"
            " from marts.publication as p where runs.run_id = %s and p.run_id = runs.run_id",
            [run_id],
        )
    told = ", ".join(f"{name} {count}" for name, count in replaced.items() if count)
    say(f"published; rows of touched keys: {told}")


def _carry(connection: psycopg.Connection, mart: Mart, run_id: int, whole: bool) -> int:
    """Replace the rows of every key of which a row changed; return how many rows these are.

    whole: all of the mart was audited, as by a rebuild; else what other keys have stands.
    """
    keys = _ask(connection, mart, whole)
    standing = sql.SQL("select standing.* from {} as standing").format(mart.published)
    if keys is not None:
        standing += sql.SQL(" inner join asked using ({})").format(_columns(mart.touched_by))
    names = {
        "standing": standing,
        "audited": mart.audited,
        "published": mart.published,
        "columns": _columns(mart.columns),
        "key": _columns(mart.touched_by),
        "primary_key": _columns(mart.primary_key),
        "one": sql.Identifier(mart.primary_key[0]),
        "order": _columns(mart.clustered_by),
        "new": _columns(mart.columns, "new"),
        "old": _columns(mart.columns, "old"),
    }

    def execute(statement: str) -> psycopg.Cursor:
        return connection.execute(sql.SQL(statement).format(**names))

    insert = "insert into {published} ({columns}) select {columns} from {audited}"
    [audited] = execute("select count(*) from {audited}").fetchone()
    if execute("select exists (select from {published})").fetchone()[0]:
        execute("drop table if exists touched")
        execute(
            "create temporary table touched on commit drop as"
            " select {key}, count(old.{one}) as standing, count(new.{one}) as audited"
            " from {audited} as new full join ({standing}) as old using ({primary_key})"
            " where ({new}) is distinct from ({old}) group by {key}"
        )
        execute("analyze touched")
        # Of the keys the night asks for, what stood is what was audited, but for these rows.
        [more] = execute(
            "select coalesce(sum(standing - audited), 0)::bigint from touched"
        ).fetchone()
        of_touched = " where ({key}) in (select {key} from touched)"
        before = execute("delete from {published}" + of_touched).rowcount
        after = execute(insert + of_touched + " order by {order}").rowcount
        published = audited + more - before + after
    else:
        before = 0
        after = published = execute(insert + " order by {order}").rowcount
    seen, seen_keys = connection.execute(
        "select rows, keys from ops.audited where run_id = %s and table_name = %s",
        [run_id, mart.name],
    ).fetchone() or (None, None)
    if not seen == audited == published or seen_keys != keys:
        of_keys = "" if keys is None else f" of {keys} keys ({seen_keys} at the gate)"
        raise FieldscoreError(
            f"marts.{mart.name} would hold {published} rows{of_keys}; the gate of run {run_id} let"
            f" {seen} pass and audit.{mart.name} holds {audited}. Nothing was published."
            " Run the night again."
        )
    return max(before, after)


def _carry_view(connection: psycopg.Connection, view: str) -> None:
    """The view's own text, read where names need no schema, is run where they mean ``marts``."""
    connection.execute("set local search_path = audit")
    [text] = connection.execute(
        "select pg_get_viewdef(to_regclass(%s))", [f"audit.{view}"]
    ).fetchone()
    connection.execute("set local search_path = marts")
    connection.execute(
        sql.SQL("create or replace view {} with (security_invoker) as ").format(
            sql.Identifier("marts", view)
        )
        + sql.SQL(text)
    )
    connection.execute("set local search_path = public")
    access.let_read(connection, view)


def _columns(names, table: str | None = None) -> sql.Composed:
    prefix = (table,) if table else ()
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in names)
