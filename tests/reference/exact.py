"""Numbers that are held to so many decimals, half away from zero, and exact until then.

Sums and products of decimals here have far fewer than the 28 digits that Decimal keeps; what is
divided is a Fraction until it is held.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction


def held(value: Fraction | Decimal | int, places: int) -> Decimal:
    """The value with ``places`` decimals, half away from zero."""
    if not isinstance(value, Fraction):
        return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    # Half up is half away from zero for what is not negative.
    digits = (2 * abs(value.numerator) * 10**places + value.denominator) // (2 * value.denominator)
    return Decimal(-digits if value < 0 else digits).scaleb(-places)


def percentile(values: list[Decimal], fraction: Fraction) -> Fraction:
    """The value below which that fraction lies, straight between neighbours; of one or more."""
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = Fraction(ordered[below]), Fraction(ordered[above])
    return low + (high - low) * (place - below)
