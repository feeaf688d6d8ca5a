"""Landing a million rows against what PostgreSQL itself needs: ``psql \\copy`` of the same file.

Landing costs O(rows delivered); asking raw for known rows costs one index look-up per row.
"""

from __future__ import annotations

import statistics
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import homes
import polars as pl
import psycopg
from fieldscore import hashes, landing, local_postgres, warehouse
from fieldscore.declaration import Declaration
from fieldscore.settings import Settings
from fieldscore.sources import Delivery

ROWS = 1_000_000
ROUNDS = 3


@dataclass(frozen=True)
class Landing:
    """Seconds for ROWS rows; medians of ROUNDS."""

    copied: float
    landed: float
    again: float


def measure() -> Landing:
    """Land and copy the same file, turn about."""
    with homes.home() as settings:
        url = local_postgres.start(settings)
        with warehouse.connect(url) as connection:
            warehouse.migrate(connection, settings)
        return _land(settings, url)


def _land(settings: Settings, url: str) -> Landing:
    file = settings.home / "million.csv"
    _write(file)
    data = file.read_bytes()
    columns = ", ".join(f"{name} text" for name in data[: data.index(b"\n")].decode().split(","))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create table public.copied ({columns})")
    copy = f"\\copy public.copied from '{file}' csv header"

    def psql() -> None:
        _execute(url, "truncate public.copied")
        psql_program = str(local_postgres.program("psql"))
        subprocess.run([psql_program, url, "-qc", copy], check=True)

    declaration = Declaration(feed="work_orders")
    key = hashes.personal_key(settings)
    days = iter(range(1, 28))

    def land() -> None:
        _execute(url, "truncate raw.work_orders")
        delivery = Delivery("work_orders", date(2026, 1, next(days)), "million.csv", data)
        landing.land(url, declaration, delivery, key)

    def land_again() -> None:
        delivery = Delivery("work_orders", date(2026, 2, next(days)), "million.csv", data)
        landing.land(url, declaration, delivery, key)

    # Turn about, so that a slow minute of the machine slows both.
    copied, landed, again = [], [], []
    for _ in range(ROUNDS):
        copied.append(homes.seconds_of(psql))
        landed.append(homes.seconds_of(land))
        again.append(homes.seconds_of(land_again))
    return Landing(*(statistics.median(times) for times in (copied, landed, again)))


def _write(file: Path) -> None:
    number = pl.int_range(ROWS, eager=True)
    minute = (number % 60).cast(pl.String).str.zfill(2)
    pl.DataFrame(
        {
            "order_id": "WO" + number.cast(pl.String).str.zfill(8),
            "technician_id": "T" + (number % 5000).cast(pl.String).str.zfill(5),
            "reported_at": "2026-03-09T10:" + minute + ":00+08:00",
            "status": pl.repeat("completed", ROWS, eager=True),
            "completed_at": "2026-03-09T18:" + minute + ":00+08:00",
            "updated_at": "2026-03-09T19:" + minute + ":00+08:00",
            "customer_id": "C" + (number % 300_000).cast(pl.String),
            "appliance_serial": "SN" + (number % 700_000).cast(pl.String),
            "fault_code": "COOL-" + (number % 9).cast(pl.String),
        }
    ).write_csv(file)


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
