"""``make bench``: measured ratios within one run, on an embedded PostgreSQL of its own.

Prints a table and writes it to benchmarks/results/. Takes about two minutes; needs 2 GB of disk.
Landing costs O(rows delivered); asking raw for known rows costs one index look-up per row.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psycopg
from fieldscore import hashes, landing, local_postgres, sample_company, warehouse
from fieldscore.declaration import Declaration
from fieldscore.settings import PROJECT, Settings
from fieldscore.sources import Delivery

ROWS = 1_000_000
ROUNDS = 3
RESULTS = PROJECT / "benchmarks" / "results"


def main() -> None:
    """Run every measurement and write the table."""
    # Not below a closed folder: root's PostgreSQL runs under another account.
    with tempfile.TemporaryDirectory(prefix="fieldscore-bench-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder)
        settings = Settings(
            home, str(home / "landing"), PROJECT / "dags" / "feeds", "Asia/Shanghai", None
        )
        url = local_postgres.start(settings)
        try:
            with warehouse.connect(url) as connection:
                warehouse.migrate(connection, settings)
                version = connection.info.parameter_status("server_version")
            rows = [_generate(home), *_land(settings, url, home)]
        finally:
            local_postgres.stop(settings)
    table = _table(rows, version)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "landing.md").write_text(table)


def _generate(home: Path) -> tuple[str, str, str]:
    started = time.monotonic()
    sample_company.generate(
        home / "company", technicians=1000, months=2, nights=1, progress=lambda _: None
    )
    seconds = time.monotonic() - started
    made = json.loads((home / "company" / sample_company.MARKER).read_text())
    rows = sum(made["rows"].values())
    return ("sample company", f"{rows / seconds:,.0f} rows a second", "")


def _land(settings: Settings, url: str, home: Path) -> list[tuple[str, str, str]]:
    file = home / "million.csv"
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
    copied, landed = [], []
    for _ in range(ROUNDS):
        copied.append(_seconds(psql))
        landed.append(_seconds(land))
    again = _seconds(land_again)
    base = statistics.median(copied)
    return [
        (f"psql \\copy, {ROWS:,} rows of 9 columns", f"{base:.2f} s", "1.0"),
        ("landing the same file", f"{(m := statistics.median(landed)):.2f} s", f"{m / base:.1f}"),
        ("landing it again, nothing new", f"{again:.2f} s", f"{again / base:.1f}"),
    ]


def _write(file: Path) -> None:
    import polars as pl

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


def _seconds(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _table(rows: list[tuple[str, str, str]], version: str) -> str:
    head = (
        f"Python {platform.python_version()}, PostgreSQL {version}, {os.cpu_count()} cores,"
        f" {platform.system()} {platform.machine()}; medians of {ROUNDS}, load"
        f" {os.getloadavg()[0]:.1f}\n\n"
    )
    lines = [f"| {what} | {measured} | {ratio} |" for what, measured, ratio in rows]
    return head + "\n".join(["| what | measured | ratio |", "|---|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    main()
