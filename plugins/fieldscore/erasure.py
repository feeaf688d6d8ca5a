"""Erases a customer: what is kept can no longer be linked to him, and every number stands.

Random stand-ins take the place of his hashes in ``raw``: one for him in all his orders, so that his
repeats stay repeats, and one per record for what else was personal there. What is computed from raw
is emptied; the next night makes it again. The same records delivered again get the same stand-ins
(keep_erased), so they are the rows that raw already holds, and he does not come back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from fieldscore.canonical import Feed, canonical_feeds
from fieldscore.errors import FieldscoreError
from fieldscore.hashes import BLANKS, keyed_hash, personal_key, row_hashes
from fieldscore.settings import Settings

CUSTOMER, ORDER = "customer_id", "order_id"

KEY_SEPARATOR = "\x1f"

# Rooms that hold nothing but what is made from raw.
COMPUTED = ["staging", "intermediate", "audit"]

Row = dict[str, Any]


def erase(connection: psycopg.Connection, settings: Settings, customer: str) -> str:
    """Erase the customer of this id, as deliveries write it; return what was done, for people.

    connection: the owner's, in no transaction. Erasing him again changes nothing. Raises
    FieldscoreError for an id that is no value, and while a night is running.
    """
    key = personal_key(settings)
    customer_hash = keyed_hash(customer, key)
    if customer_hash is None:
        raise FieldscoreError("--customer: an empty id, or NULL, is nobody.")
    changed = {}
    with connection.transaction():
        _keep_nights_out(connection)
        connection.execute(
            "insert into ops.erased_customers (customer_hash) values (%s) on conflict do nothing",
            [customer_hash],
        )
        his_orders = connection.execute(
            "select distinct ops.trimmed(order_id) from raw.work_orders where customer_id = %s",
            [customer_hash],
        ).fetchall()
        his_stand_in = _new_stand_in()
        for feed in canonical_feeds().values():
            if feed.personal:
                erased = _Erased(connection.execute, feed)
                erased.orders |= {order for (order,) in his_orders}
                erased.one_for_all = {customer_hash: his_stand_in}
                if count := _erase_from_raw(connection, erased, customer_hash, key):
                    changed[feed.name] = count
        if changed:
            _empty_what_is_computed(connection)
    if not changed:
        return "Nothing that is kept names this customer, and nothing delivered later will."
    # What was replaced lies on the disk until its table is cleaned.
    connection.autocommit = True
    for name in changed:
        connection.execute(sql.SQL("vacuum {}").format(sql.Identifier("raw", name)))
    rows = ", ".join(f"{name} {count}" for name, count in changed.items())
    return (
        f"Erased; rows changed in raw: {rows}. The marts stand, they never named the customer; the"
        " next night computes the rest anew. The source, the landing's files and backups still"
        " name the customer: see docs/security.md."
    )


def keep_erased(execute: Callable[..., Any], feed: Feed, rows: pl.DataFrame) -> pl.DataFrame:
    """Delivered rows, hashed, as they are to be stored: what was erased stays erased.

    A record of an erased customer that raw does not hold yet gets a stand-in of its own. execute:
    of the transaction that lands the rows.
    """
    personal = [name for name in feed.personal if name in rows.columns]
    if not personal or not execute("select 1 from ops.erased_customers limit 1").fetchone():
        return rows
    erased = _Erased(execute, feed)
    records = rows.filter(erased.perhaps(rows.columns)).to_dicts()
    for record in records:
        erased.replace(record)
    erased.keep()
    schema = {"row_number": rows.schema["row_number"], **dict.fromkeys(personal, pl.String)}
    replaced = [{name: record[name] for name in schema} for record in records]
    return rows.update(pl.DataFrame(replaced, schema), on="row_number")


class _Erased:
    """What was erased of a feed so far, and what stands in for it.

    orders: keys of the orders of erased customers. one_for_all: the customer who is being erased,
    whose records all get one stand-in.
    """

    def __init__(self, execute: Callable[..., Any], feed: Feed) -> None:
        def column(query: str, *parameters: str) -> set[str]:
            return {row[0] for row in execute(query, parameters).fetchall()}

        self.execute, self.feed = execute, feed
        self.customers = column("select customer_hash from ops.erased_customers")
        self.staff = column("select respondent_hash from ops.staff_respondents")
        self.orders = column(
            "select record_key from ops.erased_values where feed = %s and column_name = %s",
            "work_orders",
            CUSTOMER,
        )
        kept = execute(
            "select record_key, column_name, stand_in from ops.erased_values where feed = %s",
            (feed.name,),
        ).fetchall()
        self.stand_ins = {(key, name): stand_in for key, name, stand_in in kept}
        self.one_for_all: dict[str, str] = {}
        self.new: dict[tuple[str, str], str] = {}

    def perhaps(self, columns: list[str]) -> pl.Expr:
        """Which of many rows replace must look at: what names, or belongs to, what is erased."""

        def is_in(name: str, values: Collection[str]) -> pl.Expr:
            return pl.col(name).str.strip_chars(BLANKS).is_in(list(values)).fill_null(False)

        looked_up = [is_in(name, self.customers) for name in self.feed.personal if name in columns]
        if ORDER in columns:
            looked_up.append(is_in(ORDER, self.orders))
        # The first column of a key will do to be looked at.
        keys = {key.partition(KEY_SEPARATOR)[0] for key, _ in self.stand_ins}
        return pl.any_horizontal(*looked_up, is_in(self.feed.key[0], keys))

    def replace(self, record: Row) -> bool:
        """Put stand-ins where the record names somebody erased; whether that changed it."""
        before = dict(record)
        key = KEY_SEPARATOR.join((record.get(name) or "").strip(BLANKS) for name in self.feed.key)
        of_order = (record.get(ORDER) or "").strip(BLANKS) in self.orders
        for name in self.feed.personal:
            value, place = record.get(name), (key, name)
            if value is None or not self._is_erased(value, place, of_order):
                continue
            stand_in = self.one_for_all.get(value) or self.stand_ins.get(place) or _new_stand_in()
            if self.stand_ins.get(place) != stand_in:
                self.stand_ins[place] = self.new[place] = stand_in
            record[name] = stand_in
        return record != before

    def _is_erased(self, value: str, place: tuple[str, str], of_order: bool) -> bool:
        if place[1] == CUSTOMER:
            # A version of the same order may name another customer, who stays.
            return value in self.customers
        # What a member of staff answered is void by his id, also where he is the customer.
        erased = value in self.customers or of_order or place in self.stand_ins
        return erased and value not in self.staff

    def keep(self) -> None:
        """Keep the stand-ins that are new, for the next delivery of their records."""
        for (key, name), stand_in in self.new.items():
            self.execute(
                "insert into ops.erased_values (feed, record_key, column_name, stand_in)"
                " values (%s, %s, %s, %s) on conflict (feed, record_key, column_name)"
                " do update set stand_in = excluded.stand_in",
                (self.feed.name, key, name, stand_in),
            )


def _new_stand_in() -> str:
    return f"erased-{secrets.token_hex(12)}"


def _keep_nights_out(connection: psycopg.Connection) -> None:
    """No night runs now, and none begins before this transaction ends."""
    connection.execute("lock table ops.runs in share row exclusive mode")
    running = connection.execute("select run_id from ops.runs where status = 'running'").fetchone()
    if running:
        raise FieldscoreError(
            f"Run {running[0]} is working on a night; erase when it has ended. The next night ends"
            " a run that was killed."
        )


def _erase_from_raw(
    connection: psycopg.Connection, erased: _Erased, customer_hash: str, key: bytes
) -> int:
    """Replace what names the customer in one feed's rows; return how many rows that changed."""
    feed = erased.feed
    names = {
        "table": sql.Identifier("raw", feed.name),
        "columns": sql.SQL(", ").join(map(sql.Identifier, feed.columns)),
        "new": sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in feed.personal
        ),
        "names_him": sql.SQL(" or ").join(
            sql.SQL("{} = %(customer)s").format(sql.Identifier(name)) for name in feed.personal
        ),
        "of_his_order": sql.SQL(
            "ops.trimmed(order_id) = any (%(orders)s)" if ORDER in feed.columns else "false"
        ),
    }
    cursor = connection.cursor(row_factory=dict_row)
    rows = cursor.execute(
        sql.SQL(
            "select load_id, row_number, row_hash, extra, {columns} from {table}"
            " where {names_him} or {of_his_order}"
        ).format(**names),
        {"customer": customer_hash, "orders": list(erased.orders)},
    ).fetchall()
    rows = [row for row in rows if erased.replace(row)]
    erased.keep()
    for row, new_hash in zip(rows, _stored_hashes(rows, feed, key), strict=True):
        row["new_hash"] = new_hash
    cursor.executemany(
        sql.SQL(
            "update {table} set {new}, row_hash = %(new_hash)s"
            # Its old hash finds the row, which raw has no key for.
            " where row_hash = %(row_hash)s"
            " and load_id = %(load_id)s and row_number = %(row_number)s"
        ).format(**names),
        rows,
    )
    cursor.executemany(
        "update ops.unchanged_rows set row_hash = %(new_hash)s"
        " where feed = %(feed)s and row_hash = %(row_hash)s",
        [{**row, "feed": feed.name} for row in rows],
    )
    # Rows that differed in an erased value alone are now one row, delivered again.
    cursor.execute(
        sql.SQL(
            "with held as ("
            " select load_id, row_number, row_hash, row_number() over ("
            "  partition by row_hash order by load_id, row_number) as place"
            " from {table} where row_hash = any (%(hashes)s)"
            "), again as ("
            " delete from {table} as rows using held"
            " where rows.row_hash = held.row_hash"
            " and rows.load_id = held.load_id and rows.row_number = held.row_number"
            " and held.place > 1 returning rows.load_id, rows.row_number, rows.row_hash"
            ") insert into ops.unchanged_rows (load_id, row_number, feed, row_hash)"
            " select load_id, row_number, %(feed)s, row_hash from again"
        ).format(**names),
        {"hashes": [row["new_hash"] for row in rows], "feed": feed.name},
    )
    return len(rows)


def _stored_hashes(rows: list[Row], feed: Feed, key: bytes) -> list[bytes]:
    """The hashes that landing would give these rows of raw, were they delivered as they are now."""
    schema = dict.fromkeys([*feed.columns, "extra"], pl.String)
    delivered = [
        {name: _extra(row[name]) if name == "extra" else row[name] for name in schema}
        for row in rows
    ]
    return row_hashes(pl.DataFrame(delivered, schema), feed.confidential, key).to_list()


def _extra(kept: dict[str, str | None] | None) -> str | None:
    """The JSON text that the readers made of the harmless columns, which the database reordered."""
    if kept is None:
        return None
    columns = dict.fromkeys(sorted(kept), pl.String)
    return pl.DataFrame([kept], columns).select(pl.struct(pl.all()).struct.json_encode()).item()


def _empty_what_is_computed(connection: psycopg.Connection) -> None:
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname = any (%s)", [COMPUTED]
    ).fetchall()
    if tables:
        connection.execute(
            sql.SQL("truncate {}").format(
                sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            )
        )
        # What a night would go on from is gone: the next one makes everything again.
        connection.execute("update ops.runs set basis = null where basis is not null")
