"""``make bench``: what landing, nights, storage and memory cost, beside their targets.

    python benchmarks/run.py [orders of the short history]

Ratios within one run, on embedded PostgreSQLs of its own; README.md says what each one is and how
long it takes. Writes bench.md and bench.png to benchmarks/results/.
"""

from __future__ import annotations

import sys
import time

import duckdb_kpis
import homes
import landing
import nights
import results
from fieldscore import warehouse
from results import Measured

ORDERS = 4_000


def main() -> None:
    """Measure, then write the table and the plot."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
    homes.leave_the_callers_home()
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {what}", flush=True)

    landed = homes.apart(landing.measure)
    say(f"{landing.ROWS:,} rows: copied in {landed.copied:.2f} s, landed in {landed.landed:.2f} s")
    with nights.measured(orders, say) as both:
        script = duckdb_kpis.measure(both.long.settings)
        say(f"the DuckDB script: {script.seconds:.2f} s")
        with warehouse.connect(both.long.settings) as connection:
            server = connection.info.parameter_status("server_version")
        write(landed, both, script, server)
    print("\n" + (results.RESULTS / "bench.md").read_text())


def write(
    landed: landing.Landing, both: nights.Nights, script: duckdb_kpis.Script, server: str
) -> None:
    """Write the table and the plot; server: PostgreSQL's version."""
    measured = _against_targets(landed, both, script)
    by_step = {
        "night, short history": nights.median(both.short.nights).steps,
        "night, long history": nights.median(both.long.nights).steps,
        "nothing new, long history": nights.median(both.long.floors).steps,
    }
    page = "\n".join(
        (
            "# What it costs\n",
            f"Histories of {both.short.orders:,} and {both.long.orders:,} orders;"
            f" nights with {both.long.changed:,} changed orders on both."
            f" {results.machine(server)}\n",
            results.targets(measured),
            "![Measurements as multiples of their targets, and nights by step](bench.png)\n",
            _details(landed, both),
            _steps(by_step),
            _storage(both),
            script.told(),
        )
    )
    results.RESULTS.mkdir(exist_ok=True)
    (results.RESULTS / "bench.md").write_text(page)
    results.plot(measured, by_step)


def _against_targets(
    landed: landing.Landing, both: nights.Nights, script: duckdb_kpis.Script
) -> list[Measured]:
    short, long, floor = (
        nights.median(of).seconds for of in (both.short.nights, both.long.nights, both.long.floors)
    )
    rebuild = both.long.rebuild.seconds
    kept = sum(both.long.kept.values())
    held = max(both.short.megabytes, both.long.megabytes)
    return [
        Measured(
            "landing : psql \\copy", landed.landed / landed.copied, 2,
            f"{landed.landed:.2f} s : {landed.copied:.2f} s for {landing.ROWS:,} rows",
        ),
        Measured(
            "night, long : short history", long / short, 1.3, f"{long:.1f} s : {short:.1f} s"
        ),
        Measured("night : rebuild", long / rebuild, 1 / 20, f"{long:.1f} s : {rebuild:.1f} s"),
        Measured(
            "rebuild : DuckDB script", rebuild / script.seconds, 5,
            f"{rebuild:.1f} s : {script.seconds:.2f} s", is_aim=True,
        ),
        Measured("nothing new arrived", floor, 15, "from the first process' start", " s"),
        Measured(
            "warehouse : delivered bytes", kept / both.delivered, 4,
            f"{kept / 1e6:,.0f} MB : {both.delivered / 1e6:,.0f} MB", is_aim=True,
        ),
        Measured(
            "memory of a Python process", held / 1000, 1, "the greatest of all nights", " GB",
            is_aim=True,
        ),
    ]  # fmt: skip


def _details(landed: landing.Landing, both: nights.Nights) -> str:
    short, long = (nights.median(of.nights).seconds for of in (both.short, both.long))
    floors = [nights.median(of.floors).seconds for of in (both.short, both.long)]
    return results.table(
        ("beside it", "measured"),
        (
            (
                "landing the same rows again",
                f"{landed.again:.2f} s, {landed.again / landed.copied:.1f} x \\copy",
            ),
            ("sample company", f"{both.rows_a_second:,.0f} rows a second"),
            (
                "first night, short and long history",
                f"{both.short.first.seconds:.1f} s and {both.long.first.seconds:.1f} s",
            ),
            (
                "nothing new arrived, short and long history",
                f"{floors[0]:.1f} s and {floors[1]:.1f} s",
            ),
            (
                "the same by a living Airflow, from the request, short and long history",
                f"{both.short.by_scheduler:.1f} s and {both.long.by_scheduler:.1f} s",
            ),
            (
                "what the changes add to that",
                f"{short - floors[0]:.1f} s and {long - floors[1]:.1f} s",
            ),
            ("rebuild of the short history", f"{both.short.rebuild.seconds:.1f} s"),
        ),
    )


def _steps(by_step: dict[str, dict[str, float]]) -> str:
    names = next(iter(by_step.values()))
    rows = [(name, *(f"{steps[name]:.1f} s" for steps in by_step.values())) for name in names]
    total = ("together", *(f"{sum(steps.values()):.1f} s" for steps in by_step.values()))
    return results.table(("step", *by_step), (*rows, total))


def _storage(both: nights.Nights) -> str:
    return results.table(
        ("long history, bytes per delivered byte", "after the nights", "after a rebuild"),
        (
            (
                room,
                f"{size / both.delivered:.2f}",
                f"{both.long.kept_after_rebuild.get(room, 0) / both.delivered:.2f}",
            )
            for room, size in both.long.kept.items()
        ),
    )


if __name__ == "__main__":
    main()
