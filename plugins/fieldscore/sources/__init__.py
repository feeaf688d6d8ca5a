"""Where deliveries come from: files in date folders, a paged HTTP interface, a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from fieldscore import warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings

if TYPE_CHECKING:
    from fieldscore.declaration import Declaration

POLL_SECONDS = 15


@dataclass(frozen=True)
class Delivery:
    """What one file, page run or query brought, as the bytes of a file.

    name: file name below the date folder; its ending tells the format. mark: for a file, what
    changes when the file does, so that it need not be read again. cursor: for http, how far this
    delivery got; None leaves the cursor where it is.
    """

    feed: str
    business_date: date
    name: str
    data: bytes
    mark: str | None = None
    cursor: str | None = None


def deliveries(
    settings: Settings, url: str, declaration: Declaration, business_date: date
) -> Iterator[Delivery]:
    """What the night of a business date has to land of a feed, read one by one, oldest first.

    url: of the warehouse, which knows what landed before. Raises FieldscoreError for what a person
    must put right, PassingFault for what may be gone in a minute.
    """
    if declaration.connector == "files":
        from fieldscore.sources import files

        query = "select business_date, file, mark from ops.delivered_files where feed = %s"
        with warehouse.connect(url) as connection:
            known = connection.execute(query, [declaration.feed]).fetchall()
        marks = {(day, name): mark for day, name, mark in known}
        yield from files.deliveries(settings, declaration, business_date, marks)
    elif declaration.connector == "http":
        from fieldscore.sources import http

        query = "select cursor from ops.cursors where feed = %s"
        with warehouse.connect(url) as connection:
            row = connection.execute(query, [declaration.feed]).fetchone()
        yield http.delivery(settings, declaration, business_date, row[0] if row else None)
    else:
        from fieldscore.sources import sql

        yield sql.delivery(declaration, business_date)


def await_delivery(
    settings: Settings,
    declaration: Declaration,
    business_date: date,
    say: Callable[[str], None] = print,
) -> None:
    """Wait until a required feed has a file for the date, at most wait_minutes.

    http and sql feeds are asked when they are landed; there is nothing to wait for. Raises
    FieldscoreError when no file came.
    """
    if not declaration.required or declaration.connector != "files":
        return
    from fieldscore.sources import files

    deadline = time.monotonic() + 60 * declaration.wait_minutes
    waiting = False
    while not files.is_delivered(settings, declaration, business_date):
        left = deadline - time.monotonic()
        if left <= 0:
            folder = f"{settings.landing.rstrip('/')}/{declaration.feed}/{business_date}"
            pattern = "" if declaration.path == "*" else f" that matches {declaration.path!r}"
            raise FieldscoreError(
                f"{declaration.feed}: no delivery for {business_date}: no file{pattern} in"
                f" {folder}. Bring it and run the night again; if nothing happened, a header alone"
                " will do where may_be_empty is declared. If the feed is optional, declare"
                " required: false."
            )
        if not waiting:
            say(f"{declaration.feed}: waiting up to {declaration.wait_minutes:g} min for its file")
            waiting = True
        time.sleep(min(POLL_SECONDS, left))


def missing_connection(feed: str, connection_id: str) -> str:
    """What to tell when Airflow has no connection of this id."""
    return (
        f"{feed}: Airflow has no connection {connection_id!r}; add it (airflow connections add), or"
        f" set AIRFLOW_CONN_{connection_id.upper()}."
    )
