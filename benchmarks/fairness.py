"""``python benchmarks/fairness.py``: what the adjustment for difficulty and small numbers does.

Simulates companies whose technicians' skill is known, scores each by the commands a person types,
in a home of its own, then scores the same judged records again with other numbers of prior records
(m), and compares with what is true. Writes the tables of docs/fairness.md and the plots in
docs/images/. Deterministic; takes about eight minutes and 3 GB of disk.
"""

from __future__ import annotations

import time
from datetime import date

import fairness_measures as measures
import fairness_page as page
import homes
import polars as pl
from fieldscore import sample_company, transform, warehouse
from fieldscore.sample_company.orders import CATEGORIES, FAULTS
from fieldscore.settings import PROJECT, Settings

SEEDS = (1, 2, 3)
TECHNICIANS = 120
MONTHS = 12
ORDERS_PER_DAY = 2.0
UNTIL = date(2026, 3, 9)
PRIORS = (0, 10, 20, 50)
HARD_WORK_PRIORS = (0, 20)
# Three months of history come before it; the last month is not over.
SCORED = (date(2025, 7, 1), date(2026, 2, 1))

SCORING = ("int_policy", "int_technician_kpis", "int_technician_scores")


def _drawn(whom: str, share: float) -> str:
    """SQL: true for that share of ``whom`` (text), for the same ones on every machine."""
    return f"substr(md5({whom}), 1, 4) < '{round(share * 16**4):04x}'"


def _hard_strata() -> list[str]:
    """SQL texts: the strata of faults that want a part more often than repairs do on average.

    By what the sample company knows, not by a benchmark: its errors are not to choose the work.
    """
    kinds = pl.DataFrame(CATEGORIES).select(
        pl.int_range(pl.len()).alias("category"), "name", demand="weight"
    )
    share = pl.col("demand") * pl.col("weight") / pl.col("weight").sum().over("category")
    faults = pl.DataFrame(FAULTS).join(kinds, on="category", maintain_order="left")
    faults = faults.with_columns(demand=share)
    wanted = (pl.col("parts") * pl.col("demand")).sum() / pl.col("demand").sum()
    family = pl.col("code").str.split("-").list.first()
    strata = faults.group_by("name", family, maintain_order=True).agg(wanted=wanted)
    average = faults.select(wanted).item()
    return [
        f"'repair|{name}|{code}'"
        for name, code, _ in strata.filter(pl.col("wanted") > average).iter_rows()
    ]


# A third of the technicians is on duty on one day of four: the records of their other days go.
PART_TIME = _drawn("technician_id || ' part-time'", 1 / 3)
ON_DUTY = f"not {PART_TIME} or {_drawn('technician_id || cast(business_date as varchar)', 1 / 4)}"
# Half of them is dealt the hard work, half the easy: of the other kind a quarter stays.
HARD_WORK = _drawn("technician_id || ' hard work'", 1 / 2)
DEALT = (
    f"company_rate is null or ({HARD_WORK}) = (stratum in ({', '.join(_hard_strata())}))"
    f" or {_drawn('order_id', 1 / 4)}"
)

RECORDS = """
select
    scores.period_month,
    scores.technician_id,
    policy.kpi_code,
    policy.direction,
    policy.is_adjusted,
    cast(benchmarks.rate as double precision) as company_rate,
    count(events.kpi_code) filter (where events.feed <> 'roster') as n,
    cast(coalesce(sum(events.numerator), 0) as double precision) as numerator,
    cast(coalesce(sum(events.denominator), 0) as double precision) as denominator,
    cast(coalesce(sum(events.expected), 0) as double precision) as expected
from intermediate.int_technician_scores as scores
inner join intermediate.int_policy as policy
    on policy.period_month = scores.period_month and policy.weight > 0
left join intermediate.int_benchmarks as benchmarks
    on benchmarks.period_month = scores.period_month
    and benchmarks.kpi_code = policy.kpi_code
    and benchmarks.stratum = 'all'
left join intermediate.int_kpi_events as events
    on events.period_month = scores.period_month
    and events.technician_id = scores.technician_id
    and events.kpi_code = policy.kpi_code
    and events.eligible
    and events.mature
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3
"""

KPIS = f"""
select
    kpis.period_month,
    kpis.technician_id,
    kpis.kpi_code,
    kpis.family,
    kpis.direction,
    policy.is_adjusted,
    kpis.n,
    kpis.available,
    {", ".join(
        f"cast({column} as double precision) as {column.partition('.')[2]}"
        for column in (
            "policy.floor", "policy.target", "policy.stretch", "kpis.raw_value",
            "kpis.adjusted_value", "kpis.raw_points", "kpis.points", "kpis.effective_weight",
            "kpis.contribution", "kpis.contribution_error",
        )
    )},
    scores.badge is null as is_ranked,
    {PART_TIME.replace("technician_id", "kpis.technician_id")} as is_part_time,
    {HARD_WORK.replace("technician_id", "kpis.technician_id")} as has_hard_work
from intermediate.int_technician_kpis as kpis
inner join intermediate.int_policy as policy
    on policy.period_month = kpis.period_month and policy.kpi_code = kpis.kpi_code
inner join intermediate.int_technician_scores as scores
    on scores.period_month = kpis.period_month and scores.technician_id = kpis.technician_id
where kpis.weight > 0 and kpis.is_scored
order by 1, 2, 3
"""  # fmt: skip

KEEP_ALL_EVENTS = """
create schema study;
create table study.events as
select events.*, benchmarks.rate as company_rate
from intermediate.int_kpi_events as events
left join intermediate.int_benchmarks as benchmarks
    on benchmarks.period_month = events.period_month
    and benchmarks.kpi_code = events.kpi_code
    and benchmarks.stratum = 'all'
"""


def main() -> None:
    """Measure every company, then write tables and plots."""
    homes.leave_the_callers_home()
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {what}", flush=True)

    parts = [
        _measure(seed, lambda what, n=number: say(f"company {n} of {len(SEEDS)}: {what}"))
        for number, seed in enumerate(SEEDS, 1)
    ]
    records, part_time, hard_work = (pl.concat(frames) for frames in zip(*parts, strict=True))
    truth = pl.concat(
        pl.DataFrame(sample_company.truth(TECHNICIANS, seed)).with_columns(company=pl.lit(seed))
        for seed in SEEDS
    )
    part_time, hard_work = (
        measures.judged(kpis, measures.long_run(records), truth).filter(
            pl.col("period_month").is_between(*SCORED)
        )
        for kpis in (part_time, hard_work)
    )
    page.write(records, part_time, hard_work, SEEDS)
    say(f"written: {page.PAGE.relative_to(PROJECT)} and its plots")


def _measure(seed: int, say: page.Say) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """One company's judged records, and its KPIs with part-timers and with hard work dealt."""
    with homes.home() as settings:
        say(f"seed {seed}, {TECHNICIANS} technicians, {MONTHS} months to {UNTIL}")
        homes.fieldscore(
            settings,
            f"sample --technicians {TECHNICIANS} --months {MONTHS} --until {UNTIL} --nights 0"
            f" --orders {ORDERS_PER_DAY} --seed {seed}",
        )
        homes.fieldscore(settings, f"night {UNTIL}")
        say("scored as it is")
        with warehouse.connect(settings) as connection:
            connection.execute(KEEP_ALL_EVENTS)
        records = _ask(settings, RECORDS, seed)
        part_time = _score_again(settings, seed, ON_DUTY, PRIORS, "part-timers", say)
        hard_work = _score_again(settings, seed, DEALT, HARD_WORK_PRIORS, "hard work", say)
    return records, part_time, hard_work


def _score_again(
    settings: Settings, seed: int, kept: str, priors: tuple[int, ...], what: str, say: page.Say
) -> pl.DataFrame:
    """Score the kept part of the judged records for each number of prior records.

    kept: SQL, which records the technicians keep. Only the scoring layer is run again: the
    benchmarks are those of all records.
    """
    events = "intermediate.int_kpi_events"
    with warehouse.connect(settings) as connection:
        found = connection.execute(f"select * from {events} limit 0").description
        columns = ", ".join(column.name for column in found)
        connection.execute(f"truncate {events}")
        connection.execute(
            f"insert into {events} ({columns}) select {columns} from study.events where {kept}"
        )
        connection.execute(f"analyze {events}")
    scored = []
    for prior in priors:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "update policy.kpi_targets set prior_records = %s where prior_records is not null",
                [prior],
            )
        transform.run(settings, "run", "--select", *SCORING, say=lambda _: None)
        scored.append(_ask(settings, KPIS, seed).with_columns(scoring=pl.lit(f"m = {prior}")))
        say(f"{what}, m = {prior}")
    return pl.concat([measures.as_raw(scored[0]), *scored])


def _ask(settings: Settings, query: str, seed: int) -> pl.DataFrame:
    with warehouse.connect(settings) as connection:
        cursor = connection.execute(query)
        names = [column.name for column in cursor.description]
        rows = pl.DataFrame(cursor.fetchall(), names, orient="row", infer_schema_length=None)
    return rows.with_columns(company=pl.lit(seed))


if __name__ == "__main__":
    main()
