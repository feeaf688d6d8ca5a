"""From records to scores: benchmarks, values, points, weights, scores and ranks (sections 4, 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import sqrt
from pathlib import Path
from zoneinfo import ZoneInfo

from reference import clocks
from reference.deliveries import Deliveries, Row
from reference.exact import held, percentile
from reference.lines import Line, explain
from reference.orders import Company
from reference.policy import Policy
from reference.records import KPIS, Kpi, Record, all_records

Z = 1.959964
STANDARD_ERRORS = 1.96
FAMILIES = ("quality", "workload", "cost")

# Of whose records benchmarks are means per order; all other benchmarks are failure rates.
MEANS = {"parts_cost_index", "travel_cost_index"}
TRIMMED = "duration_index"


@dataclass
class Value:
    """A technician's month in one KPI, in the columns of fct_technician_kpis."""

    numerator: Decimal | None = None
    denominator: Decimal | None = None
    n: int = 0
    n_immature: int = 0
    raw_value: Decimal | None = None
    adjusted_value: Decimal | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    points: Decimal | None = None
    raw_points: Decimal | None = None
    weight: Decimal = Decimal(0)
    effective_weight: Decimal | None = None
    contribution: Decimal | None = None
    available: bool = False
    standard_error: float = 0.0
    counted: list[Record] = field(default_factory=list)


@dataclass
class Recognition:
    """A recognition, counted or not."""

    recognition_id: str
    technician_id: str | None
    month: date
    occurred_on: date
    points: Decimal | None
    reason: str | None = None


@dataclass
class Score:
    """A technician's month, in the columns of fct_technician_scores."""

    status: str = "insufficient_data"
    score: Decimal | None = None
    half_width: float | None = None
    quality_score: Decimal | None = None
    workload_score: Decimal | None = None
    cost_score: Decimal | None = None
    balance: Decimal | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    badge: str | None = None
    recognitions: list[Recognition] = field(default_factory=list)
    recognised: Decimal = Decimal(0)


Place = tuple[date, str]


@dataclass
class Reference:
    """What the second route found. Keys: (month, technician) and (month, technician, KPI)."""

    company: Company
    records: list[Record]
    kpis: dict[tuple[date, str, str], Value]
    scores: dict[Place, Score]
    lines: dict[Place, list[Line]]
    recognitions: list[Recognition]
    benchmarks: Benchmarks


def score(
    landing: Path,
    policy_folder: Path,
    as_of_date: date,
    zone: str = "Asia/Shanghai",
    feeds: Iterable[str] | None = None,
    starts: dict[str, date] | None = None,
    benchmarks: Iterable[Row] = (),
) -> Reference:
    """Score a company as of the end of a business date.

    feeds: those that are declared (default: every folder of the landing); starts: their declared
    starts; benchmarks: rows of fct_benchmarks (period_month, kpi_code, stratum, rate, mean, low,
    high) of periods that were first published before; this night publishes every other first.
    """
    where = ZoneInfo(zone)
    as_of = clocks.midnight(as_of_date + clocks.DAY, where)
    declared = None if feeds is None else set(feeds)
    deliveries = Deliveries(landing, as_of_date, as_of, where, declared, starts)
    policy = Policy(policy_folder)
    company = Company(deliveries, policy, as_of, where)
    records = all_records(company)
    known = Benchmarks(company, records, benchmarks)
    for record in records:
        _hold_against_benchmark(record, known)
    recognitions = _recognitions(company)
    kpis, scores = _months(company, records, known, recognitions, as_of_date)
    rank(scores)
    lines = {
        place: explain(
            found,
            {code: kpis[(*place, code)] for code in KPIS},
            {code: policy.line(code, place[0]) for code in KPIS},
        )
        for place, found in scores.items()
        if found.status == "scored"
    }
    return Reference(company, records, kpis, scores, lines, recognitions, known)


# --- benchmarks (4.2) ----------------------------------------------------------------------------


@dataclass
class _Known:
    """What is known of a stratum: records, technicians, and sums."""

    n: int = 0
    technicians: set[str] = field(default_factory=set)
    lost: Decimal = Decimal(0)
    of: Decimal = Decimal(0)
    minutes: list[Decimal] = field(default_factory=list)


class Benchmarks:
    """What a period is compared with: the three months before, else their parents, else policy."""

    def __init__(self, company: Company, records: list[Record], given: Iterable[Row]) -> None:
        self._company = company
        self._given: dict[date, dict[tuple[str, str], Row]] = defaultdict(dict)
        for row in given:
            self._given[row["period_month"]][row["kpi_code"], row["stratum"]] = row
        self._records: dict[tuple[date, str], list[Record]] = defaultdict(list)
        for record in records:
            has_benchmark = KPIS[record.kpi].is_adjusted or record.kpi in {*MEANS, TRIMMED}
            if has_benchmark and record.is_eligible and record.matured_at:
                month = clocks.month_of(record.business_date)
                self._records[month, record.kpi].append(record)
        # Asked for every record, answered for every stratum.
        self._strata = cache(self._count)
        self.rate = cache(self._rate)
        self.mean = cache(self._mean)
        self.usual_minutes = cache(self._usual_minutes)

    def _rate(self, period: date, kpi: str, stratum: str) -> Decimal:
        """The failure rate to expect in a stratum."""
        for level in _levels(stratum):
            if row := self._published(period, kpi, level):
                return row["rate"]
            if known := self._enough(period, kpi, level):
                return _held_rate(Fraction(known.lost) / Fraction(known.of))
        _, target, _ = self._company.policy.line(kpi, period)
        return _held_rate(1 - target if KPIS[kpi].is_up else target)

    def _mean(self, period: date, kpi: str, stratum: str | None) -> Decimal | None:
        """The mean per order to expect in a stratum or area; None where nothing is known."""
        for level in _levels(stratum or "?"):
            if row := self._published(period, kpi, level):
                return row["mean"]
            if known := self._enough(period, kpi, level):
                return held(Fraction(known.lost) / Fraction(known.of), 6)
        return self._company.policy.default_mean(kpi, period)

    def _usual_minutes(self, period: date, stratum: str) -> tuple[Decimal, Decimal] | None:
        """Between which an order's minutes are held; None without history."""
        limit = self._company.policy.limit
        low, high = limit("duration_low", period), limit("duration_high", period)
        for level in _levels(stratum):
            if row := self._published(period, TRIMMED, level):
                return row["low"], row["high"]
            if known := self._enough(period, TRIMMED, level):
                return (
                    held(percentile(known.minutes, Fraction(low)), 6),
                    held(percentile(known.minutes, Fraction(high)), 6),
                )
        return None

    def _published(self, period: date, kpi: str, level: str) -> Row | None:
        """What a record of an earlier night says of a stratum."""
        return self._given[period].get((kpi, level))

    def _enough(self, period: date, kpi: str, level: str) -> _Known | None:
        """A stratum of which enough is known; none of a period that is on record."""
        if self._given[period]:
            return None
        known = self._strata(period, kpi).get(level)
        limit = self._company.policy.limit
        if (
            known
            and known.n >= limit("benchmark_records", period)
            and len(known.technicians) >= limit("benchmark_technicians", period)
            and known.of
        ):
            return known
        return None

    def _count(self, period: date, kpi: str) -> dict[str, _Known]:
        strata: dict[str, _Known] = defaultdict(_Known)
        first_day_ends = clocks.midnight(period + clocks.DAY, self._company.zone)
        orders = set()
        months = int(self._company.policy.limit("benchmark_months", period))
        for back in range(months, 0, -1):
            for record in self._records[clocks.months_later(period, -back), kpi]:
                if record.matured_at > first_day_ends:
                    continue
                is_new = record.order_id not in orders
                orders.add(record.order_id)
                for level in _levels(record.stratum or "?"):
                    known = strata[level]
                    known.technicians.add(record.technician_id)
                    known.n += 1
                    if kpi == TRIMMED:
                        # An order's minutes are one observation, however many did the work.
                        known.of += is_new
                        known.minutes += [record.whole] if is_new else []
                    elif kpi in MEANS:
                        known.lost += record.numerator
                        known.of += record.share
                    else:
                        known.lost += _lost(record)
                        known.of += record.denominator
        return strata


def _levels(stratum: str) -> list[str]:
    """A stratum and its parents: without fault family, without appliance, all."""
    parts = stratum.split("|")
    return ["|".join(parts[:count]) for count in range(len(parts), 0, -1)] + ["all"]


def _held_rate(rate: Fraction | Decimal) -> Decimal:
    return held(min(max(Fraction(rate), Fraction(1, 1000)), Fraction(999, 1000)), 10)


def _lost(record: Record) -> Decimal:
    """What of a record failed."""
    is_up = KPIS[record.kpi].is_up
    return record.denominator - record.numerator if is_up else record.numerator


def _hold_against_benchmark(record: Record, known: Benchmarks) -> None:
    """Fill in what a record could not know by itself: its expected cost, its held minutes."""
    if not record.is_eligible or record.is_day:
        return
    period = clocks.month_of(record.business_date)
    if record.kpi in MEANS:
        mean = known.mean(period, record.kpi, record.stratum)
        if mean is None:
            record.reason = "expected_unknown"
        else:
            record.denominator = held(record.share * mean, 6)
    elif record.kpi == TRIMMED:
        minutes = record.whole
        if usual := known.usual_minutes(period, record.stratum):
            minutes = min(max(minutes, usual[0]), usual[1])
        record.numerator = held(record.share * minutes, 6)


# --- recognitions (5.4) --------------------------------------------------------------------------


def _recognitions(company: Company) -> list[Recognition]:
    """Each with its points or its reason; one per technician, customer and quarter."""
    found = []
    seen = set()
    rows = company.deliveries.newest("recognitions")
    for row in sorted(rows, key=lambda r: (r["occurred_on"], r["recognition_id"].encode())):
        day = row["occurred_on"]
        if clocks.midnight(day, company.zone) >= company.as_of:
            continue
        order = company.orders.get(row["order_id"] or "")
        customer = row["customer_id"] or (order and order.now["customer_id"])
        told = Recognition(
            row["recognition_id"],
            row["technician_id"],
            clocks.month_of(day),
            day,
            company.policy.recognition_points(row["kind"], day),
        )
        quarter = (row["technician_id"], customer, day.year, (day.month - 1) // 3)
        if not row["evidence_ref"]:
            told.reason = "no_evidence"
        elif not row["approved_by"]:
            told.reason = "not_approved"
        elif not customer:
            told.reason = "customer_unknown"
        elif told.points is None:
            told.reason = "kind_without_points"
        elif quarter in seen:
            told.reason = "one_per_customer_and_quarter"
        else:
            seen.add(quarter)
        found.append(told)
    return found


# --- values, points, weights, score (4.1, 4.3, 4.4, 5.1, 5.2) ------------------------------------


def points_of(value: Decimal, line: tuple[Decimal, Decimal, Decimal]) -> Decimal:
    """A value's points: 0 at the floor, 80 at the target, 100 at the stretch, flat outside."""
    return held(_on_line(Fraction(value), line)[0], 2)


def _on_line(value: Fraction, line: tuple[Decimal, Decimal, Decimal]) -> tuple[Fraction, Fraction]:
    """A value's exact points and the line's slope there."""
    floor, target, stretch = (Fraction(end) for end in line)
    sign = 1 if stretch > floor else -1
    if sign * (value - floor) < 0:
        return Fraction(0), Fraction(0)
    if sign * (value - target) < 0:
        slope = 80 / (target - floor)
        return slope * (value - floor), slope
    if sign * (value - stretch) < 0:
        slope = 20 / (stretch - target)
        return 80 + slope * (value - target), slope
    return Fraction(100), Fraction(0)


def _months(
    company: Company,
    records: list[Record],
    known: Benchmarks,
    recognitions: list[Recognition],
    as_of_date: date,
) -> tuple[dict[tuple[date, str, str], Value], dict[Place, Score]]:
    cells: dict[Place, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    is_period = set()
    for record in records:
        if record.is_eligible:
            place = (clocks.month_of(record.business_date), record.technician_id)
            if place[0] > as_of_date:
                continue
            cells[place][record.kpi].append(record)
            if not record.is_day:
                is_period.add(place)
    kpis: dict[tuple[date, str, str], Value] = {}
    scores: dict[Place, Score] = {}
    for place in sorted(is_period):
        values = {
            code: _value(company, known, kpi, place, cells[place][code])
            for code, kpi in KPIS.items()
        }
        weigh(values)
        kpis |= {(*place, code): value for code, value in values.items()}
        theirs = [r for r in recognitions if (r.month, r.technician_id) == place]
        scores[place] = _score(company, place, values, theirs)
    return kpis, scores


def _value(
    company: Company, known: Benchmarks, kpi: Kpi, place: Place, records: list[Record]
) -> Value:
    period, _ = place
    value = Value(weight=company.policy.weight(kpi.code, period))
    for record in records:
        if company.has_happened(record.matured_at):
            value.counted.append(record)
        else:
            value.n_immature += 1
    value.n = sum(not record.is_day for record in value.counted)
    if value.n:
        value.numerator = sum(record.numerator for record in value.counted)
        value.denominator = sum(record.denominator for record in value.counted)
        value.raw_value = _raw(kpi, value)
    elif kpi.code == "complaint_handling" and _is_full(company, period, records):
        value.raw_value = Decimal(100)
    if value.raw_value is None:
        return value
    value.available = True
    value.adjusted_value = value.raw_value
    line = company.policy.line(kpi.code, period)
    if kpi.measure == "rate":
        value.ci_low, value.ci_high = wilson(value.raw_value, value.n)
    slope_error = 0.0
    if kpi.is_adjusted:
        value.adjusted_value, slope_error = _adjusted(company, known, kpi, period, value)
    if line:
        value.points = points_of(value.adjusted_value, line)
        value.raw_points = points_of(value.raw_value, line)
        _, slope = _on_line(Fraction(value.adjusted_value), line)
        value.standard_error = slope_error * abs(float(slope))
    return value


def _raw(kpi: Kpi, value: Value) -> Decimal | None:
    if kpi.measure == "count":
        return held(value.numerator, 10)
    if kpi.measure == "median":
        amounts = [record.numerator for record in value.counted]
        return held(percentile(amounts, Fraction(1, 2)), 10)
    if not value.denominator:
        return None
    return held(Fraction(value.numerator) / Fraction(value.denominator), 10)


def _is_full(company: Company, period: date, awaited: list[Record]) -> bool:
    """No valid complaint in a period with the feed available; one whose limits have not passed yet
    is one."""
    is_valid_one_awaited = any(record.matured_at for record in awaited)
    return company.deliveries.counts("complaints", period) and not is_valid_one_awaited


def _adjusted(
    company: Company, known: Benchmarks, kpi: Kpi, period: date, value: Value
) -> tuple[Decimal, float]:
    """The adjusted rate and its standard error, both before the line (4.3, 4.4).

    Failures are counted in records: what was lost of the points of an inspection is a part of one.
    """
    per_record = Fraction(value.n) / Fraction(value.denominator)
    failed = per_record * Fraction(sum(_lost(record) for record in value.counted))
    expected = per_record * Fraction(
        sum(
            record.denominator * known.rate(period, kpi.code, record.stratum)
            for record in value.counted
        )
    )
    usual = Fraction(known.rate(period, kpi.code, "all"))
    prior = Fraction(company.policy.prior_records(kpi.code, period)) * usual
    rate = usual * (failed + prior) / (expected + prior)
    rate = min(max(rate, Fraction(0)), Fraction(1))
    error = float(usual) * sqrt(failed + prior) / float(expected + prior)
    return held(1 - rate if kpi.is_up else rate, 10), error


def wilson(rate: Decimal, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate of n records."""
    p = float(rate)
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    reach = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return middle - reach, middle + reach


def weigh(values: dict[str, Value]) -> None:
    """Give the weight of what is not available to the rest of its family, then to the others."""
    family_weight = {
        family: sum(v.weight for code, v in values.items() if KPIS[code].family == family)
        for family in FAMILIES
    }
    available = {
        family: sum(
            v.weight for code, v in values.items() if KPIS[code].family == family and v.available
        )
        for family in FAMILIES
    }
    left = sum(family_weight[family] for family in FAMILIES if available[family])
    total = sum(family_weight.values())
    for code, value in values.items():
        if not value.available:
            continue
        family = KPIS[code].family
        if family is None or not value.weight:
            value.effective_weight = Decimal(0)
            continue
        value.effective_weight = held(
            Fraction(value.weight)
            * Fraction(family_weight[family])
            / Fraction(available[family])
            * Fraction(total)
            / Fraction(left),
            10,
        )


def _score(
    company: Company, place: Place, values: dict[str, Value], recognitions: list[Recognition]
) -> Score:
    period, _ = place
    limit = company.policy.limit
    found = Score(recognitions=recognitions)
    orders = {
        record.order_id for value in values.values() for record in value.counted if record.order_id
    }
    if len(orders) < limit("few_orders", period) or values["csat_top2"].n < limit(
        "few_answers", period
    ):
        found.badge = "few_data"
    weighted = {code: v for code, v in values.items() if v.available and v.weight}
    families = {KPIS[code].family for code in weighted}
    if sum(v.weight for v in weighted.values()) < limit("score_weight", period) or len(
        families
    ) < limit("score_families", period):
        return found
    found.status = "scored"
    for value in weighted.values():
        share = Fraction(value.effective_weight) / 100
        value.contribution = held(share * Fraction(value.points), 2)
    counted = sum((r.points for r in recognitions if r.reason is None), Decimal(0))
    found.recognised = min(counted, limit("recognition_cap", period))
    found.score = sum(v.contribution for v in weighted.values()) + found.recognised
    found.half_width = STANDARD_ERRORS * sqrt(
        sum((v.standard_error * float(v.effective_weight) / 100) ** 2 for v in weighted.values())
    )
    for family in families:
        theirs = [v for code, v in weighted.items() if KPIS[code].family == family]
        brought = Fraction(sum(v.contribution for v in theirs))
        weight = Fraction(sum(v.effective_weight for v in theirs))
        setattr(found, f"{family}_score", held(100 * brought / weight, 2))
    pair = (found.quality_score, found.workload_score)
    if None not in pair and max(pair) > 0:
        found.balance = held(Fraction(min(pair)) / Fraction(max(pair)), 10)
    return found


def rank(scores: dict[Place, Score]) -> None:
    """A rank is a range: two are apart when chance does not explain their difference (4.4)."""
    by_period: dict[date, list[Score]] = defaultdict(list)
    for (period, _), found in scores.items():
        if found.status == "scored" and found.badge is None:
            by_period[period].append(found)
    for ranked in by_period.values():
        for one in ranked:
            above = below = 0
            for other in ranked:
                apart = float(abs(one.score - other.score)) > sqrt(
                    one.half_width**2 + other.half_width**2
                )
                above += apart and other.score > one.score
                below += apart and other.score < one.score
            one.rank_low, one.rank_high = 1 + above, len(ranked) - below
