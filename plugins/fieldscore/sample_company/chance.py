"""Chance that any machine repeats to the bit.

A draw is a function of the seed, of what it decides and of whom it decides it for, not of the draws
before it: an appliance or a technician is the same wherever it turns up and nothing need be
remembered. Only arithmetic that IEEE 754 fixes is used; the curves that need exp and log are tables
rounded to six decimals, because the last bit of those functions differs between machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

import numpy as np

STEPS = 4096
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def chance(seed: int, what: str, *whom: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1): one for each element of the equally long arrays ``whom``."""
    salt = blake2b(f"{seed} {what}".encode(), digest_size=8).digest()
    state = np.uint64(int.from_bytes(salt, "little"))
    for number in whom:
        # SplitMix64: a multiplication spreads neighbouring numbers, three shifts mix their bits.
        mixed = number.astype(np.uint64)
        mixed *= _GOLDEN
        mixed += state
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        state = mixed
    return (state >> np.uint64(11)) * 2.0**-53


def between(draw: np.ndarray, least: int, most: int) -> np.ndarray:
    """Whole numbers from least to most, both included, equally likely."""
    return least + (draw * (most - least + 1)).astype(np.int64)


def pick(draw: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Positions in ``weights``, each as likely as its weight."""
    return np.searchsorted(shares(weights), draw, side="right")


def shares(weights: Sequence[float]) -> list[float]:
    """Where each weight but the last ends when all are laid out from 0 to 1."""
    total = sum(weights)
    return [sum(weights[: i + 1]) / total for i in range(len(weights) - 1)]


def normal(draw: np.ndarray) -> np.ndarray:
    """Standard normal numbers, within about +-3.7."""
    return _normal_table()[(draw * STEPS).astype(np.int64)]


def skewed(draw: np.ndarray, spread: float) -> np.ndarray:
    """Log-normal factors of median 1; ``spread`` is the standard deviation of their logarithm."""
    return _skewed_table(spread)[(draw * STEPS).astype(np.int64)]


@cache
def _normal_table() -> np.ndarray:
    return np.array([round(NormalDist().inv_cdf((i + 0.5) / STEPS), 6) for i in range(STEPS)])


@cache
def _skewed_table(spread: float) -> np.ndarray:
    return np.array([round(math.exp(spread * z), 6) for z in _normal_table().tolist()])
