"""Reference and marts side by side, number by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from reference.records import KPIS

if TYPE_CHECKING:
    from reference.scores import Reference

Row = dict[str, object]
Marts = dict[str, list[Row]]

KPI_NUMBERS = (
    "available",
    "numerator",
    "denominator",
    "n",
    "n_immature",
    "raw_value",
    "adjusted_value",
    "points",
    "weight",
    "effective_weight",
    "contribution",
)
SCORE_NUMBERS = (
    "status",
    "score",
    "half_width",
    "quality_score",
    "workload_score",
    "cost_score",
    "balance",
    "rank_low",
    "rank_high",
    "badge",
)
# Sums of nothing, and what a KPI without weight brings: here an empty cell and a zero say the same.
EMPTY_IS_ZERO = {"numerator", "denominator", "effective_weight", "contribution"}


def differences(reference: Reference, marts: Marts, kpis: Iterable[str] = KPIS) -> list[str]:
    """Every number of every technician, month and KPI that the marts say otherwise.

    marts: the rows of fct_technician_kpis, fct_technician_scores and, where it is there,
    fct_score_lines; kpis: those to compare. One line per difference, sorted; none if all is the
    same. What only one of the two has is a difference, too.
    """
    asked = set(kpis)
    published = {
        (row["period_month"], row["technician_id"], row["kpi_code"]): row
        for row in marts["fct_technician_kpis"]
        if row["kpi_code"] in asked
    }
    worked_out = {key: vars(v) for key, v in reference.kpis.items() if key[2] in asked}
    found = [*_compare(worked_out, published, KPI_NUMBERS)]
    published = {
        (row["period_month"], row["technician_id"]): row for row in marts["fct_technician_scores"]
    }
    worked_out = {key: vars(score) for key, score in reference.scores.items()}
    found += _compare(worked_out, published, SCORE_NUMBERS)
    if "fct_score_lines" in marts:
        found += _compare_lines(reference, marts["fct_score_lines"], asked)
    return sorted(found)


def _compare(
    worked_out: dict[tuple, Row], published: dict[tuple, Row], columns: tuple[str, ...]
) -> Iterator[str]:
    for key in sorted(worked_out.keys() | published.keys()):
        name = " ".join(_text(part) for part in key)
        if key not in published:
            yield f"{name}: not published"
        elif key not in worked_out:
            yield f"{name}: published, but not in the reference"
        else:
            for column in columns:
                ours, theirs = worked_out[key][column], published[key][column]
                if column in EMPTY_IS_ZERO:
                    ours, theirs = ours or 0, theirs or 0
                if not _is_same(ours, theirs):
                    yield _told(f"{name} {column}", ours, theirs)


def _told(what: str, ours: object, theirs: object) -> str:
    return f"{what}: {_text(ours)} by the reference, {_text(theirs)} published"


def _is_same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and theirs is not None:
        # Half-widths are floats here and published with two decimals.
        return abs(ours - float(theirs)) < 0.0051
    return ours == theirs


def _compare_lines(reference: Reference, published: list[Row], asked: set[str]) -> Iterator[str]:
    """The lines of explanations, whatever their order: by KPI, kind and evidence."""
    theirs = Counter()
    for row in published:
        if row["kpi_code"] in asked or row["kpi_code"] is None:
            theirs[
                row["period_month"],
                row["technician_id"],
                row["kpi_code"] or "",
                row["line_kind"],
                row["evidence_key"] or "",
            ] += row["points"]
    ours = Counter()
    for (month, technician), lines in reference.lines.items():
        for line in lines:
            if line.kpi in asked or line.kpi is None:
                key = (month, technician, line.kpi or "", line.kind, line.evidence_key or "")
                ours[key] += line.points
    for key in sorted(ours.keys() | theirs.keys()):
        if ours[key] != theirs[key]:
            name = " ".join(_text(part) for part in key)
            yield _told(f"{name} line", ours[key], theirs[key])


def disputed_records(reference: Reference, marts: Marts, kpi: str) -> list[str]:
    """The records of a KPI that fct_kpi_events counts otherwise: where to look after a difference.

    Compared are whom, the day, whether it counts, numerator and denominator, of all that at least
    one of the two holds for eligible.
    """
    ours = Counter()
    for record in reference.records:
        if record.kpi == kpi and record.is_eligible:
            is_mature = reference.company.has_happened(record.matured_at)
            ours[
                record.order_id or record.key,
                record.technician_id,
                record.business_date,
                is_mature,
                *((record.numerator, record.denominator) if is_mature else (None, None)),
            ] += 1
    theirs = Counter()
    for row in marts["fct_kpi_events"]:
        if row["kpi_code"] == kpi and row["eligible"]:
            theirs[
                row["order_id"] or row["record_key"],
                row["technician_id"],
                row["business_date"],
                row["mature"],
                *((row["numerator"], row["denominator"]) if row["mature"] else (None, None)),
            ] += 1
    said = [(key, "by the reference") for key in (ours - theirs).elements()]
    said += [(key, "published") for key in (theirs - ours).elements()]
    return [
        f"{kpi} {' '.join(map(_text, key[:3]))}: {_worth(key)} {by}"
        for key, by in sorted(said, key=str)
    ]


def _worth(key: tuple) -> str:
    return f"{_text(key[4])} of {_text(key[5])}" if key[3] else "immature"


def _text(value: object) -> str:
    if isinstance(value, date):
        return str(value)[:7] if value.day == 1 else str(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)
