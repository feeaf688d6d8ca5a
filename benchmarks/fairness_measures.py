"""How the study of fairness measures: what is true of a technician, and how far scores are from it.

Frames have one row per company, month, technician and KPI (and `scoring`: which m, or RAW for the
value as it was counted) or, where they are called scores, per company, month, technician and
scoring. Every measure is taken within a company, then averaged; ranks, spreads and places within a
month.
"""

from __future__ import annotations

import polars as pl

RAW = "raw"
SCORE = "score"
FAMILIES = ("quality", "workload", "cost")
# Of other months a technician must have at least so many, or there is no long run to compare with.
LEAST_OTHER_MONTHS = 6
BEST = 0.3
FEWEST = 0.25

# The latent skills that decide a KPI in the sample company, with their weights there.
SKILLS = {
    "csat_top2": {"politeness": 0.30, "fix_quality": 0.20},
    "first_time_fix": {"fix_quality": 1},
    "inspection": {"fix_quality": 73, "politeness": 23},  # points possible, paperwork on 6 of 10
    "complaint_rate": {"politeness": 0.30, "fix_quality": 0.20},
    "on_time_24h": {"speed": 1},
    "completion": {"speed": 1},
}

MONTH = ["company", "scoring", "period_month"]


def long_run(records: pl.DataFrame) -> pl.DataFrame:
    """What each technician's values of each month would be with records without end.

    records: n, numerator, denominator and expected, summed per technician, month and KPI, and the
    company's rate in the benchmark. Adds long_run, his value in all his *other* months as a
    multiple of what all colleagues together had in those months (each month and, for rates, each
    stratum on its own), carried to this month; and other_months, in which he had a record. So
    nothing of the month itself is in it, and neither season nor work mix.
    """
    is_rate = pl.col("is_adjusted")
    is_share_of_good = is_rate & (pl.col("direction") == "up")
    lost = (
        pl.when(is_share_of_good)
        .then(pl.col("denominator") - pl.col("numerator"))
        .otherwise("numerator")
    )
    # Of an inspected item's points each is a part of one record.
    per_point = pl.when(is_rate).then(pl.col("n") / pl.col("denominator")).otherwise(1.0)
    due = pl.when(is_rate).then("expected").otherwise("denominator")
    has_record = pl.col("denominator") > 0
    everybody = ["company", "period_month", "kpi_code"]
    own = ["company", "technician_id", "kpi_code"]
    measured = (
        records.with_columns(
            has_record=has_record,
            got=pl.when(has_record).then(lost * per_point).otherwise(0.0),
            due=pl.when(has_record).then(due * per_point).otherwise(0.0),
        )
        .with_columns(
            usual=pl.col("got").sum().over(everybody) / pl.col("due").sum().over(everybody)
        )
        .with_columns(due=(pl.col("due") * pl.col("usual")).fill_nan(0))
    )
    elsewhere = {
        name: pl.col(name).sum().over(own) - pl.col(name) for name in ("got", "due", "has_record")
    }
    value = (
        (elsewhere["got"] / elsewhere["due"])
        * pl.col("usual")
        * pl.when(is_rate).then("company_rate").otherwise(1.0)
    )
    return measured.select(
        *("company", "period_month", "technician_id", "kpi_code"),
        long_run=pl.when(elsewhere["due"] > 0).then(
            pl.when(is_share_of_good).then(1 - value).otherwise(value)
        ),
        other_months=elsewhere["has_record"],
    )


def as_raw(kpis: pl.DataFrame) -> pl.DataFrame:
    """The same KPIs as if nobody adjusted anything: the raw value, scored as it is."""
    return kpis.with_columns(
        scoring=pl.lit(RAW),
        adjusted_value=pl.col("raw_value"),
        points=pl.col("raw_points"),
        contribution=pl.col("effective_weight") * pl.col("raw_points") / 100,
        contribution_error=pl.lit(None, pl.Float64),
    )


def judged(kpis: pl.DataFrame, truth: pl.DataFrame, skills: pl.DataFrame) -> pl.DataFrame:
    """The KPIs that are available, beside the long run, its points, and the skill behind them.

    truth: of long_run. skills: of sample_company.truth; who is not in it does not exist. Nothing to
    handle in all other months is full marks in the long run, too.
    """
    skill = pl.coalesce(
        pl.when(pl.col("kpi_code") == kpi_code).then(
            pl.sum_horizontal(pl.col(name) * weight for name, weight in weights.items())
        )
        for kpi_code, weights in SKILLS.items()
    )
    key = ["company", "period_month", "technician_id", "kpi_code"]
    return (
        kpis.filter("available")
        .join(truth, on=key)
        .join(skills, on=["company", "technician_id"])
        .with_columns(
            skill=skill,
            # Of every KPI more is better then.
            sign=pl.when(pl.col("direction") == "up").then(1).otherwise(-1),
            long_run_points=pl.when(pl.col("long_run").is_not_null())
            .then(points(pl.col("long_run")))
            .when(pl.col("kpi_code") == "complaint_handling")
            .then(100.0),
            has_long_run=pl.col("other_months").max().over("scoring", *key[:3])
            >= LEAST_OTHER_MONTHS,
        )
    )


def points(value: pl.Expr) -> pl.Expr:
    """Points of a value on the line beside it, as the macro `points` gives them."""
    floor, target, stretch = (pl.col(name) for name in ("floor", "target", "stretch"))
    below = (value - target) * (target - floor).sign() <= 0
    return (
        pl.when(below)
        .then(80 * (value - floor) / (target - floor))
        .otherwise(80 + 20 * (value - target) / (stretch - target))
        .clip(0, 100)
    )


def scores(kpis: pl.DataFrame) -> pl.DataFrame:
    """One row per score without its recognitions, beside the score of the long run.

    long_run_score is null where a KPI has no long run. of_rates and long_run_of_rates are the parts
    of the adjusted KPIs, n their records.
    """
    due = pl.col("effective_weight") * pl.col("long_run_points") / 100
    known = pl.col("long_run_points").is_not_null().all() & pl.col("has_long_run").all()
    rates = pl.col("is_adjusted")
    whose = [*MONTH, "technician_id", "is_ranked", "is_part_time", "has_hard_work"]
    return kpis.group_by(whose, maintain_order=True).agg(
        score=pl.col("contribution").sum(),
        long_run_score=pl.when(known).then(due.sum()),
        half_width=1.96 * (pl.col("contribution_error") ** 2).sum().sqrt(),
        of_rates=pl.col("contribution").filter(rates).sum(),
        long_run_of_rates=pl.when(known).then(due.filter(rates).sum()),
        n=pl.col("n").filter(rates).sum(),
        **{name: pl.col("contribution").filter(family=name).sum() for name in FAMILIES},
        **{f"long_run_{name}": due.filter(family=name).sum() for name in FAMILIES},
    )


def kpi_errors(kpis: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Root mean square error of the adjusted KPIs' values, and their rank correlations.

    One row per company, scoring, KPI and ``by``: error; spread, the standard deviation of long
    runs; n, mean records; agreement with the long run and with_skill, with the latent skill (ranks
    of technicians within a month, 1 = the same).
    """
    known = kpis.filter("is_adjusted", "has_long_run", pl.col("long_run").is_not_null())
    group = ["company", "scoring", "kpi_code", *by]
    value = pl.col("adjusted_value")
    ranked = known.group_by(*group, "period_month").agg(
        agreement=pl.corr("adjusted_value", "long_run", method="spearman"),
        with_skill=pl.corr(value * pl.col("sign"), "skill", method="spearman"),
    )
    return (
        known.group_by(group)
        .agg(
            error=((value - pl.col("long_run")) ** 2).mean().sqrt(),
            spread=pl.col("long_run").std(),
            n=pl.col("n").mean(),
        )
        .join(
            ranked.group_by(group).agg(pl.col("agreement", "with_skill").fill_nan(None).mean()),
            on=group,
        )
        .sort(group)
    )


def score_errors(scored: pl.DataFrame) -> pl.DataFrame:
    """Per company and scoring: how far scores are from the long run, and how sure of it they are.

    error and bias (root mean square and mean of score less long run, points), agreement (rank
    correlation within a month), covered and rates_covered (share of long runs within the
    half-width, of the score and of its adjusted part), spread and long_run_spread (standard
    deviations within a month), half_width (mean).
    """
    known = scored.filter(pl.col("long_run_score").is_not_null())
    off = pl.col("score") - pl.col("long_run_score")
    rates_off = pl.col("of_rates") - pl.col("long_run_of_rates")
    group = MONTH[:2]
    by_month = known.group_by(MONTH).agg(
        agreement=pl.corr("score", "long_run_score", method="spearman"),
        spread=pl.col("score").std(),
        long_run_spread=pl.col("long_run_score").std(),
    )
    return (
        known.group_by(group)
        .agg(
            error=(off**2).mean().sqrt(),
            bias=off.mean(),
            covered=(off.abs() <= pl.col("half_width")).mean(),
            rates_covered=(rates_off.abs() <= pl.col("half_width")).mean(),
            half_width=pl.col("half_width").mean(),
        )
        .join(
            by_month.group_by(group).agg(pl.col("agreement", "spread", "long_run_spread").mean()),
            on=group,
        )
        .sort(group)
    )


def steadiness(scored: pl.DataFrame) -> pl.DataFrame:
    """Per company and scoring: the correlation of the scores of two consecutive months."""
    next_month = scored.select(
        *MONTH[:2], "technician_id", pl.col("period_month").dt.offset_by("1mo"), before="score"
    )
    return (
        scored.join(next_month, on=[*MONTH, "technician_id"])
        .group_by(MONTH)
        .agg(steady=pl.corr("score", "before"))
        .group_by(MONTH[:2])
        .agg(pl.col("steady").mean())
        .sort(MONTH[:2])
    )


def few_records(scored: pl.DataFrame, score: str = "score") -> pl.DataFrame:
    """Per company and scoring: the share of those with few records, by place and in all.

    few_best, few_last: among the best and the last 30 % of a month; few: among all. Few records are
    those of the quarter of the month's technicians that has fewest.
    """
    size = pl.len().over(MONTH)
    few = pl.col("n").rank().over(MONTH) / size <= FEWEST
    place = pl.col(score).rank(descending=True).over(MONTH) / size
    return (
        scored.filter(pl.col(score).is_not_null())
        .with_columns(few=few, is_best=place <= BEST, is_last=place > 1 - BEST)
        .group_by(MONTH[:2])
        .agg(
            few=pl.col("few").mean(),
            few_best=pl.col("few").filter("is_best").mean(),
            few_last=pl.col("few").filter("is_last").mean(),
        )
        .sort(MONTH[:2])
    )


def family_shares(scored: pl.DataFrame, of: str = "score", prefix: str = "") -> pl.DataFrame:
    """Per company and scoring: the share of each family in the variance of scores within a month.

    The covariance of the family's part with the score, by the score's variance: adds up to 1.
    """
    known = scored.filter(pl.col(of).is_not_null())
    parts = [prefix + family for family in FAMILIES]
    apart = known.with_columns(
        pl.col(name) - pl.col(name).mean().over(MONTH) for name in (of, *parts)
    )
    shares = {
        family: (pl.col(part) * pl.col(of)).sum() / (pl.col(of) ** 2).sum()
        for family, part in zip(FAMILIES, parts, strict=True)
    }
    return apart.group_by(MONTH[:2]).agg(**shares).sort(MONTH[:2])


def hard_work_gaps(kpis: pl.DataFrame) -> pl.DataFrame:
    """How much worse than they are those look who have the hard work, against those who have not.

    One row per scoring and adjusted KPI, and one for the SCORE: gap (mean of value less long run,
    hard less easy, in percentage points or points; below 0 the hard work is held against people;
    for KPIs of which less is better the sign is turned) and its standard error, technicians being
    the units.
    """
    whose = ["scoring", "kpi_code", "has_hard_work", "company", "technician_id"]
    value_off = (pl.col("adjusted_value") - pl.col("long_run")) * pl.col("sign") * 100
    values = kpis.filter("is_adjusted", "has_long_run").select(*whose, off=value_off)
    scored = scores(kpis).with_columns(kpi_code=pl.lit(SCORE))
    score_off = pl.col("score") - pl.col("long_run_score")
    return (
        pl.concat([values, scored.select(*whose, off=score_off)])
        .drop_nulls("off")
        .group_by(whose)
        .agg(pl.col("off").mean())
        .group_by(whose[:3])
        .agg(mean=pl.col("off").mean(), squared_error=pl.col("off").var() / pl.len())
        .sort(whose[:3])
        .group_by(whose[:2], maintain_order=True)
        .agg(
            gap=pl.col("mean").last() - pl.col("mean").first(),
            error=pl.col("squared_error").sum().sqrt(),
        )
    )
