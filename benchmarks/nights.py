"""What a night costs: with ten times the history, beside a rebuild, and when nothing new arrived.

    python benchmarks/nights.py [orders of the short history]

Ratios within one run, on an embedded PostgreSQL of its own; the table is kept in
benchmarks/results/nights.md.
Two sample companies differ in their history alone: the long one has ten times the months, and in
its last night, as in the short one's, the same technicians work a day. With 4,000 orders it takes
some five minutes; the time grows with the orders.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from fieldscore import local_postgres, night, sample_company, transform, warehouse
from fieldscore.settings import PROJECT, Settings

RESULTS = PROJECT / "benchmarks" / "results"
UNTIL = date(2026, 3, 20)
SHORT_MONTHS, LONG_MONTHS = 2, 20
# Orders of a technician in a month: two and a half on each of some 21.75 working days.
ORDERS_A_MONTH = 54
STEPS = ("check_declarations", "land", "check_raw", "stage", "score", "audit", "check_marts")


def main() -> None:
    """Measure and write the table."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    technicians = max(5, round(orders / SHORT_MONTHS / ORDERS_A_MONTH))
    with tempfile.TemporaryDirectory(prefix="fieldscore-bench-") as folder:
        Path(folder).chmod(0o755)
        short = _company(Path(folder) / "short", technicians, SHORT_MONTHS)
        long = _company(Path(folder) / "long", technicians, LONG_MONTHS)
    table = _table(short, long)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "nights.md").write_text(table)


def _company(home: Path, technicians: int, months: int) -> dict[str, object]:
    """The seconds of a company's nights by step, its rows, its bytes and its server's version."""
    settings = Settings(
        home, str(home / "landing"), PROJECT / "dags" / "feeds", "Asia/Shanghai", None
    )
    home.mkdir()
    sample_company.generate(
        Path(settings.landing), technicians=technicians, months=months, until=UNTIL, nights=2,
        dirty=False, progress=lambda _: None,
    )  # fmt: skip
    url = local_postgres.start(settings)
    try:
        transform.manifest(settings)
        found: dict[str, object] = {
            # Years come at once, and then a day: no volume the gate knows.
            "first": _night(settings, UNTIL - timedelta(days=1), without=("check_raw",)),
            "night": _night(settings, UNTIL),
            "empty": _night(settings, UNTIL + timedelta(days=1), without=("land",)),
        }
        started = time.monotonic()
        night.rebuild(settings, UNTIL + timedelta(days=1), say=lambda _: None)
        found["rebuild"] = {"all": time.monotonic() - started}
        with warehouse.connect(url) as connection:
            found["orders"], found["touched"] = connection.execute(
                "select (select count(*) from marts.fct_work_orders),"
                " (select count(distinct order_id) from raw.work_orders where load_id >"
                " (select last_load_id from ops.runs where status = 'published'"
                " order by run_id limit 1))"
            ).fetchone()
            found["bytes"] = connection.execute(
                "select pg_database_size(current_database())"
            ).fetchone()[0]
            found["version"] = connection.info.parameter_status("server_version")
        found["raw"] = sum(f.stat().st_size for f in Path(settings.landing).rglob("*.csv*"))
    finally:
        local_postgres.stop(settings)
    return found


def _night(
    settings: Settings, business_date: date, without: tuple[str, ...] = ()
) -> dict[str, float]:
    """Run a night's steps but for some of them and return the seconds of each."""
    from fieldscore.feeds import declared_feeds

    seconds = {}
    started = time.monotonic()
    run_id = night.open_night(settings, business_date, f"bench {business_date}", say=_silent)
    seconds["open_night"] = time.monotonic() - started
    for name in (*STEPS, "publish_night", "close_night"):
        if name in without:
            continue
        started = time.monotonic()
        step = getattr(night, name)
        if name == "land":
            for feed in declared_feeds(settings.feeds):
                step(settings, run_id, business_date, feed, say=_silent)
        elif name == "check_declarations":
            step(settings, run_id)
        else:
            step(settings, run_id, say=_silent)
        seconds[name] = time.monotonic() - started
    return seconds


def _silent(_: str) -> None:
    pass


def _table(short: dict, long: dict) -> str:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    head = (
        f"Python {platform.python_version()}, PostgreSQL {short['version']},"
        f" {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" load {os.getloadavg()[0]:.1f};"
        f" histories of {short['orders']:,} and {long['orders']:,} orders;"
        " one run of each night\n\n"
    )
    total = {
        (name, what): sum(of[what].values())
        for name, of in (("short", short), ("long", long))
        for what in ("night", "empty", "rebuild")
    }
    lines = [
        "| what | short history | long history | long / short |",
        "|---|---|---|---|",
    ]
    told = {
        "night": f"a night with {long['touched']:,} changed orders",
        "empty": "a night in which nothing new arrived",
        "rebuild": "a rebuild",
    }
    for what, words in told.items():
        a, b = total["short", what], total["long", what]
        lines.append(f"| {words} | {a:.1f} s | {b:.1f} s | {b / a:.2f} |")
    lines += ["", "| step | night, long history | empty night, long history |", "|---|---|---|"]
    for step, seconds in long["night"].items():
        lines.append(f"| {step} | {seconds:.1f} s | {long['empty'].get(step, 0):.1f} s |")
    lines += [
        "",
        "Night / rebuild of the long history:"
        f" {total['long', 'night'] / total['long', 'rebuild']:.3f}.",
        f"Warehouse bytes per delivered byte (histories are delivered gzipped):"
        f" {long['bytes'] / long['raw']:.1f}. This process held at most {megabytes:.0f} MB.",
    ]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
