"""Numbers that are held to so many decimals, half away from zero, and exact until then."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

Number = Fraction | Decimal | int


def held(value: Number, places: int) -> Decimal:
    """The value with ``places`` decimals, half away from zero."""
    scaled = abs(Fraction(value)) * 10**places
    digits = int(scaled + Fraction(1, 2))
    return Decimal(-digits if value < 0 else digits).scaleb(-places)


def percentile(values: list[Decimal], fraction: Fraction) -> Fraction:
    """The value below which that fraction lies, straight between neighbours; of one or more."""
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = Fraction(ordered[below]), Fraction(ordered[above])
    return low + (high - low) * (place - below)
