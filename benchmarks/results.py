"""Measurements beside their targets: a table to read and a plot to look at, in results/."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from fieldscore.settings import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"


@dataclass(frozen=True)
class Measured:
    """One measurement. value and most are in the same unit; told: how it came about.

    is_aim: not reaching it is told as well, but nothing was promised.
    """

    what: str
    value: float
    most: float
    told: str
    unit: str = ""
    is_aim: bool = False

    @property
    def verdict(self) -> str:
        return "met" if self.value <= self.most else "**missed**"


def machine(server: str) -> str:
    """Where this was measured, in one line."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores,"
        f" {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB;"
        f" Python {platform.python_version()}, PostgreSQL {server},"
        f" DuckDB {version('duckdb')}; load at the end {os.getloadavg()[0]:.1f}."
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = tuple(head)
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def targets(measured: Iterable[Measured]) -> str:
    """The table of measurements and their targets."""
    return table(
        ("what", "measured", "target", "", "how"),
        (
            (
                one.what,
                f"{one.value:.3g}{one.unit}",
                f"{'aim ' if one.is_aim else ''}≤ {one.most:g}{one.unit}",
                one.verdict,
                one.told,
            )
            for one in measured
        ),
    )


def plot(measured: list[Measured], nights: dict[str, dict[str, float]]) -> None:
    """bench.png: each measurement as a multiple of its target, and nights by step."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    shares = [one.value / one.most for one in reversed(measured)]
    colours = ["tab:green" if share <= 1 else "tab:red" for share in shares]
    left.barh([one.what for one in reversed(measured)], shares, color=colours)
    left.axvline(1, color="black", linewidth=1)
    left.set(xscale="log", xlabel="multiple of the target; left of the line it is met")
    left.xaxis.set_major_formatter("{x:g}")
    left.xaxis.set_minor_formatter("{x:g}")

    begin = dict.fromkeys(nights, 0.0)
    palette = plt.get_cmap("tab20").colors
    for number, step in enumerate(next(iter(nights.values()))):
        seconds = [steps[step] for steps in nights.values()]
        colour = palette[number % len(palette)]
        right.barh(list(nights), seconds, left=list(begin.values()), label=step, color=colour)
        begin = {name: begin[name] + steps[step] for name, steps in nights.items()}
    right.set(xlabel="seconds to publication, by step")
    figure.legend(loc="outside right upper", fontsize="x-small")
    figure.savefig(RESULTS / "bench.png", dpi=120)
    plt.close(figure)
