"""Rows of a query, as an Airflow connection says where and with which credentials."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from fieldscore import readers
from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.sources import Delivery, missing_connection

CHUNK = 10_000  # rows fetched at once


def delivery(declaration: Declaration, business_date: date) -> Delivery:
    """The rows of the declared query for the business date, as a csv file."""
    feed, sql = declaration.feed, declaration.sql
    where = f"{feed}: {sql.connection_id}"
    try:
        hook = BaseHook.get_connection(sql.connection_id).get_hook()
    except AirflowNotFoundException:
        raise FieldscoreError(missing_connection(feed, sql.connection_id)) from None
    if not isinstance(hook, DbApiHook):
        raise FieldscoreError(f"{where}: is no connection to a database.")
    engine = hook.get_sqlalchemy_engine()
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    try:
        with engine.connect() as connection:
            rows = connection.execution_options(yield_per=CHUNK).execute(
                sqlalchemy.text(sql.query), {"business_date": business_date}
            )
            writer.writerow(rows.keys())
            for chunk in rows.partitions():
                writer.writerows(map(_text, row) for row in chunk)
                if file.tell() > readers.LARGEST_FILE:
                    raise FieldscoreError(
                        f"{where}: more than {readers.LARGEST_FILE:,} characters; let the query"
                        " return what changed on :business_date."
                    )
    except (OperationalError, InterfaceError) as fault:
        raise PassingFault(f"{where}: {_first_line(fault)}") from None
    except DBAPIError as wrong:
        raise FieldscoreError(f"{where}: sql.query: {_first_line(wrong)}") from None
    finally:
        engine.dispose()
    return Delivery(feed, business_date, "query.csv", file.getvalue().encode())


def _text(value: Any) -> str | None:
    """A value as the text a person would write."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return None if value is None else str(value)


def _first_line(error: DBAPIError) -> str:
    """The database's own words, without the statement, its parameters and details: these may hold
    what nobody should read."""
    return str(error.orig).splitlines()[0]
