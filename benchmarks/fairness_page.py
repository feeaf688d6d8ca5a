"""The tables of docs/fairness.md, between their markers, and its plots.

A number is the mean of the companies; ``±`` is how far the company farthest from it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import fairness_measures as measures
import polars as pl
from fieldscore.night import code_version
from fieldscore.settings import PROJECT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Say = Callable[[str], None]

PAGE = PROJECT / "docs" / "fairness.md"
IMAGES = PROJECT / "docs" / "images"
POLICY = {"quality": 54, "workload": 36, "cost": 10}
LONG_RUN = "long run"
# Told apart by everybody, printed in grey too.
DARK, LIGHT, GREY = "#0072b2", "#e69f00", "#999999"
COLOURS = {"quality": DARK, "workload": LIGHT, "cost": GREY}


def write(
    records: pl.DataFrame, part_time: pl.DataFrame, hard_work: pl.DataFrame, seeds: Sequence[int]
) -> None:
    """Write tables and plots.

    records: what long_run takes; part_time and hard_work: what `judged` makes of the two scorings.
    """
    scored = measures.scores(part_time)
    # Who is ranked is the same for every m: a badge is given for counts.
    shares = _beside_long_run(scored.filter("is_ranked"), measures.family_shares, "long_run_")
    few = {
        "ranked": _beside_long_run(scored.filter("is_ranked"), measures.few_records),
        "scored": _beside_long_run(scored, measures.few_records),
    }
    gaps = measures.hard_work_gaps(hard_work)
    tables = {
        "facts": _facts(records, scored, seeds),
        "scores": _scores_table(scored, shares, few),
        "kpis": _kpis_table(part_time),
        "hard work": _hard_work_table(gaps),
    }
    PAGE.write_text(_filled(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    _plot("fairness_error", (7.6, 4.6), lambda figure: _draw_errors(figure, part_time))
    _plot("fairness_few_records", (7.6, 2.9), lambda figure: _draw_few(figure, few["ranked"]))
    _plot("fairness_families", (7.6, 2.9), lambda figure: _draw_shares(figure, shares))
    _plot("fairness_hard_work", (7.6, 2.9), lambda figure: _draw_gaps(figure, gaps))


def _beside_long_run(
    scored: pl.DataFrame, measure: Callable[..., pl.DataFrame], *options: str
) -> pl.DataFrame:
    """The measure of every scoring, and of the long run's scores."""
    true = measure(scored.filter(scoring=measures.RAW), "long_run_score", *options)
    return pl.concat([measure(scored), true.with_columns(scoring=pl.lit(LONG_RUN))])


def _filled(text: str, tables: dict[str, str]) -> str:
    for name, table in tables.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{PAGE}: the markers of the table {name!r} are missing")
        text = f"{before}{begin}\n{table}\n\n{end}{after}"
    return text


def _facts(records: pl.DataFrame, scored: pl.DataFrame, seeds: Sequence[int]) -> str:
    one = scored.filter(scoring=measures.RAW)
    people = one.group_by("company").agg(pl.col("technician_id").n_unique()).sort("company")
    known = one["long_run_score"].is_not_null().sum()
    rows = [
        ("companies", f"{len(seeds)}, seeds {', '.join(map(str, seeds))}"),
        ("technicians compared", " + ".join(map(str, people["technician_id"]))),
        ("judged records of weighted KPIs", f"{records['n'].sum():,}"),
        (
            "months compared",
            f"{one['period_month'].min():%B %Y} to {one['period_month'].max():%B %Y}",
        ),
        (
            "scores compared, for each m",
            f"{len(one):,}, of them {one['is_part_time'].sum():,} of part-timers,"
            f" {one['is_ranked'].sum():,} ranked, {known:,} with a long run",
        ),
        ("code version", f"`{code_version()}`"),
    ]
    return _table(["the study", ""], rows)


def _scores_table(scored: pl.DataFrame, shares: pl.DataFrame, few: dict[str, pl.DataFrame]) -> str:
    errors, steady = measures.score_errors(scored), measures.steadiness(scored)
    true = errors.filter(scoring=measures.RAW).with_columns(
        scoring=pl.lit(LONG_RUN), spread="long_run_spread"
    )
    spread = pl.concat([errors, true])
    sure = errors.filter(pl.col("scoring") != measures.RAW)
    part, full = (
        measures.score_errors(scored.filter(is_part_time=whose)) for whose in (True, False)
    )
    rows = [
        _row("error of the score, points", errors, "error", 1),
        _row("… of part-timers", part, "error", 1),
        _row("… of full-timers", full, "error", 1),
        _row("mean of score less long run, part-timers, points", part, "bias", 1),
        _row("… full-timers", full, "bias", 1),
        _row("rank correlation with the long run", errors, "agreement", 2),
        _row("correlation with the month before", steady, "steady", 2),
        _row("standard deviation within a month, points", spread, "spread", 1),
        _row("mean half-width, points", sure, "half_width", 1),
        _row("the interval holds the long run, %", sure, "covered", 0, 100),
        _row("… where only adjusted KPIs count, %", sure, "rates_covered", 0, 100),
    ]
    for who, frame in few.items():
        of_all = f"{frame['few'].mean() * 100:.0f} % of all {who}"
        for place in ("best", "last"):
            label = f"few records ({of_all}) among their {place} 30 %, %"
            rows.append(_row(label, frame, f"few_{place}", 0, 100))
    for family, weight in POLICY.items():
        label = f"variance that comes from {family} (weight {weight}), %"
        rows.append(_row(label, shares, family, 0, 100))
    return _table(["", *_scorings(shares), "±"], rows)


def _row(label: str, frame: pl.DataFrame, column: str, digits: int, times: int = 1) -> list[str]:
    """One measure for every scoring, empty where it has none, and what companies differ by."""
    cells, apart = [], 0.0
    for name in (measures.RAW, "m = 0", "m = 10", "m = 20", "m = 50", LONG_RUN):
        values = frame.filter(scoring=name)[column] * times
        if values.is_empty():
            cells.append("")
            continue
        cells.append(f"{values.mean():z.{digits}f}")
        apart = max(apart, (values - values.mean()).abs().max())
    return [label, *cells, f"{apart:.{digits}f}"]


def _kpis_table(kpis: pl.DataFrame) -> str:
    errors = measures.kpi_errors(kpis)
    rows = []
    for code in measures.SKILLS:
        own = errors.filter(kpi_code=code)
        by_scoring = {name: own.filter(scoring=name) for name in _scorings(own)}
        error = {name: frame["error"].mean() * 100 for name, frame in by_scoring.items()}
        best = min(error.values())
        raw, usual = by_scoring[measures.RAW], by_scoring["m = 20"]
        rows.append(
            [
                f"`{code}`",
                f"{raw['n'].mean():.0f}",
                f"{raw['spread'].mean() * 100:.1f}",
                *(f"**{e:.1f}**" if e == best else f"{e:.1f}" for e in error.values()),
                *(
                    f"{raw[name].mean():z.2f} → {usual[name].mean():z.2f}"
                    for name in ("agreement", "with_skill")
                ),
            ]
        )
    head = ["KPI", "records a month", "people differ by", *_scorings(errors)]
    return _table([*head, "ranks as in the long run", "ranks as by skill"], rows)


def _hard_work_table(gaps: pl.DataFrame) -> str:
    rows = []
    for code in (*measures.SKILLS, measures.SCORE):
        own = [gaps.filter(scoring=name, kpi_code=code) for name in _scorings(gaps)]
        label = "the score, points" if code == measures.SCORE else f"`{code}`, percentage points"
        cells = (f"{gap['gap'].item():+z.1f} ± {1.96 * gap['error'].item():.1f}" for gap in own)
        rows.append([label, *cells])
    return _table(["hard work less easy work", *_scorings(gaps)], rows)


def _scorings(frame: pl.DataFrame) -> list[str]:
    """The scorings of a frame: raw, then m from small to large, then the long run."""
    names = frame["scoring"].unique().to_list()
    adjusted = [name for name in names if name.startswith("m = ")]
    return [
        *[name for name in names if name == measures.RAW],
        *sorted(adjusted, key=lambda name: int(name[4:])),
        *[name for name in names if name == LONG_RUN],
    ]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plot(name: str, inches: tuple[float, float], draw: Callable[[Figure], None]) -> None:
    """Draw a figure and write it as an SVG that is the same, byte for byte, every time."""
    import matplotlib
    from matplotlib.figure import Figure

    style = {"svg.hashsalt": name, "font.size": 8.5, "axes.spines.top": False}
    with matplotlib.rc_context({**style, "axes.spines.right": False}):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        draw(figure)
        IMAGES.mkdir(exist_ok=True)
        figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _draw_errors(figure: Figure, kpis: pl.DataFrame) -> None:
    errors = measures.kpi_errors(kpis, "is_part_time")
    places = _scorings(errors)
    for axes, code in zip(figure.subplots(2, 3).flat, measures.SKILLS, strict=True):
        for is_part_time, colour, who in ((True, LIGHT, "part-time"), (False, DARK, "full-time")):
            own = errors.filter(kpi_code=code, is_part_time=is_part_time)
            means = [own.filter(scoring=name)["error"].mean() * 100 for name in places]
            axes.plot(places[1:], means[1:], "o-", color=colour, label=who, markersize=3.5)
            axes.axhline(means[0], color=colour, linestyle=":", linewidth=1, label=f"{who}, raw")
        axes.set_ylim(0)
        axes.set_title(code, fontsize=9)
    figure.supylabel("error of a month's value, percentage points", fontsize=8.5)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)


def _draw_few(figure: Figure, few: pl.DataFrame) -> None:
    places = _scorings(few)
    for axes, place in zip(figure.subplots(1, 2, sharey=True), ("best", "last"), strict=True):
        means = [few.filter(scoring=name)[f"few_{place}"].mean() * 100 for name in places]
        axes.bar(places, means, color=[LIGHT] * (len(places) - 1) + [DARK], width=0.7)
        axes.axhline(few["few"].mean() * 100, color="black", linestyle=":", linewidth=1)
        axes.set_title(f"among the {place} 30 % of a month", fontsize=9)
    figure.supylabel("few records, % (dotted: of all)", fontsize=8.5)


def _draw_shares(figure: Figure, shares: pl.DataFrame) -> None:
    axes: Axes = figure.subplots()
    bars = {"policy weights": list(POLICY.values())} | {
        name: [shares.filter(scoring=name)[family].mean() * 100 for family in POLICY]
        for name in _scorings(shares)
    }
    for number, (family, colour) in enumerate(COLOURS.items()):
        widths = [bar[number] for bar in bars.values()]
        left = [sum(bar[:number]) for bar in bars.values()]
        drawn = axes.barh(list(bars), widths, left=left, color=colour, label=family, height=0.72)
        axes.bar_label(drawn, fmt="%.0f", label_type="center", color="white", fontweight="bold")
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the variance of scores within a month, %")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)


def _draw_gaps(figure: Figure, gaps: pl.DataFrame) -> None:
    axes: Axes = figure.subplots()
    measured = [*measures.SKILLS, measures.SCORE]
    marks = (("o", GREY), ("s", LIGHT), ("D", DARK))
    for number, (name, (mark, colour)) in enumerate(zip(_scorings(gaps), marks, strict=True)):
        own = [gaps.filter(scoring=name, kpi_code=code) for code in measured]
        axes.errorbar(
            [place + (number - 1) * 0.2 for place in range(len(own))],
            [gap["gap"].item() for gap in own],
            [1.96 * gap["error"].item() for gap in own],
            fmt=mark,
            color=colour,
            capsize=2,
            markersize=4,
            label=name,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(measured)), measured)
    axes.set_ylabel("hard less easy work, points", fontsize=8.5)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
