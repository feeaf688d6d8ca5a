"""The explanation of a score: lines in hundredths of a point that add up to it (5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from reference.exact import held
from reference.records import KPIS, Record

if TYPE_CHECKING:
    from reference.scores import Recognition, Score, Value


@dataclass
class Line:
    """points: in 1/100; evidence_key: the record an event's line is about."""

    kpi: str | None
    kind: str
    points: int
    evidence_key: str | None = None


@dataclass(frozen=True)
class Part:
    """A line before it is rounded. ``exact`` is in hundredths."""

    kind: str
    exact: Fraction
    evidence_key: str | None = None
    anchored_at: datetime | None = None


def explain(score: Score, values: dict[str, Value], lines: dict[str, tuple]) -> list[Line]:
    """The lines of a scored month. lines: KPI → (floor, target, stretch)."""
    found = []
    for code, value in values.items():
        if value.weight:
            brought = value.contribution or Decimal(0)
            parts = _parts(code, value, lines[code])
            found += _rounded(code, parts, int(brought * 100))
    counted = [r for r in score.recognitions if r.reason is None]
    found += [_recognition(recognition) for recognition in counted]
    over = score.recognised - sum(r.points for r in counted)
    if over:
        found.append(Line(None, "cap", int(over * 100)))
    return found


def _recognition(recognition: Recognition) -> Line:
    points = int(held(recognition.points * 100, 0))
    return Line(None, "recognition", points, recognition.recognition_id)


def _parts(code: str, value: Value, line: tuple) -> list[Part]:
    """Full marks, what each event cost of them, and what difficulty and redistribution change."""
    weight = Fraction(value.weight)
    full = Part("full_marks", 100 * weight)
    if not value.available:
        return [full, Part("unavailable", -100 * weight)]
    lost = (100 - Fraction(value.raw_points)) * weight
    gained = (Fraction(value.points) - Fraction(value.raw_points)) * weight
    moved = (Fraction(value.effective_weight) - weight) * Fraction(value.points)
    return [
        full,
        *_events(code, value, line, lost),
        Part("adjustment", gained),
        Part("redistribution", moved),
    ]


def _events(code: str, value: Value, line: tuple, lost: Fraction) -> list[Part]:
    """The points lost, over the events that lost them."""
    if not lost:
        return []
    if KPIS[code].measure == "volume":
        return [Part("shortfall", -lost)]
    blame = [(record, _blame(code, record, line)) for record in value.counted]
    total = sum(part for _, part in blame)
    return [
        Part("event", -lost * part / total, record.key, record.anchored_at)
        for record, part in blame
        if part
    ]


def _blame(code: str, record: Record, line: tuple) -> Fraction:
    """How much of what is lost a record lost: its failure, or its excess over the stretch."""
    numerator, denominator = Fraction(record.numerator), Fraction(record.denominator)
    if KPIS[code].measure == "rate":
        return denominator - numerator if KPIS[code].is_up else numerator
    stretch = Fraction(line[2]) * denominator
    excess = stretch - numerator if KPIS[code].is_up else numerator - stretch
    return max(excess, Fraction(0))


def _rounded(code: str, parts: list[Part], brought: int) -> list[Line]:
    """Parts rounded down, and what is missing to the contribution to the largest remainders.

    Ties by the events' time, then key in byte order; what is no event has no time and comes last.
    """
    parts = [part for part in parts if part.exact]
    down = [floor(part.exact) for part in parts]

    def claim(place: int) -> tuple[object, ...]:
        part = parts[place]
        late = part.anchored_at is None
        time = 0.0 if late else part.anchored_at.timestamp()
        return -(part.exact - down[place]), late, time, (part.evidence_key or "").encode()

    missing = brought - sum(down)
    first = set(sorted(range(len(parts)), key=claim)[:missing])
    assert 0 <= missing <= len(parts), (code, missing)
    return [
        Line(code, part.kind, down[place] + (place in first), part.evidence_key)
        for place, part in enumerate(parts)
    ]
