"""What a user would write instead: one DuckDB script over the feeds, timed, and held against marts.

    python benchmarks/duckdb_kpis.py

does it for the home of the environment and tells how many of its numbers are the marts'.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import homes
import polars as pl
import results
from fieldscore import warehouse
from fieldscore.policy import POLICY
from fieldscore.settings import Settings

SCRIPT = Path(__file__).with_suffix(".sql")
ROUNDS = 3
SAME = 1e-6

PUBLISHED = """
select
    kpis.kpi_code, kpis.period_month, kpis.technician_id, kpis.n,
    cast(kpis.raw_value as double precision) as raw_value
from marts.fct_technician_kpis as kpis
where kpis.weight > 0 and kpis.n > 0
"""

# What only one side has is a difference, too.
COMPARED = f"""
select
    kpi_code,
    count(*) as cells,
    count(*) filter (where published.n = kpis.n) as same_n,
    count(*) filter (where abs(published.raw_value - kpis.raw_value) <= {SAME}) as same_value
from published
full join kpis using (kpi_code, period_month, technician_id)
group by kpi_code
order by kpi_code
"""


@dataclass(frozen=True)
class Script:
    """seconds: the median of ROUNDS; agreement: per KPI its cells, and those with the same n and
    the same value."""

    seconds: float
    agreement: list[tuple[str, int, int, int]]

    def told(self) -> str:
        """The agreement as a table."""
        return results.table(
            ("DuckDB script and marts", "technicians x months", "same n", "same value"),
            (
                (code, f"{cells:,}", f"{same_n / cells:.2%}", f"{same_value / cells:.2%}")
                for code, cells, same_n, same_value in self.agreement
            ),
        )


def measure(settings: Settings) -> Script:
    """Run the script on what the home was delivered, and compare it with what is published."""
    with TemporaryDirectory(prefix="fieldscore-bench-") as folder, duckdb.connect() as connection:
        write_parquet(Path(settings.landing), Path(folder))
        _publish(settings, connection)
        connection.execute(f"set file_search_path = '{folder},{POLICY}'")
        script = SCRIPT.read_text()
        seconds = statistics.median(
            homes.seconds_of(lambda: connection.execute(script)) for _ in range(ROUNDS)
        )
        return Script(seconds, connection.execute(COMPARED).fetchall())


def write_parquet(landing: Path, folder: Path) -> None:
    """One parquet file per feed: its csv deliveries as text, in order of date, file and row."""
    for feed in (place for place in landing.iterdir() if place.is_dir()):
        files = [str(file) for file in sorted(feed.rglob("*.csv*"))]
        rows = duckdb.read_csv(files, all_varchar=True, header=True, union_by_name=True)
        rows.write_parquet(str(folder / f"{feed.name}.parquet"))


def _publish(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Bring to DuckDB what the marts say of the weighted KPIs, and as of when."""
    with warehouse.connect(settings) as marts:
        cursor = marts.execute(PUBLISHED)
        names = [column.name for column in cursor.description]
        rows = pl.DataFrame(cursor.fetchall(), names, orient="row", infer_schema_length=None)
        [as_of] = marts.execute("select as_of from marts.publication").fetchone()
    connection.register("marts", rows)
    connection.execute("create table published as from marts")
    connection.execute("set variable as_of = ?::timestamp", [as_of])


if __name__ == "__main__":
    print(measure(Settings.from_environment()).told())
