"""The measures of benchmarks/fairness.py, worked out by hand, and the page they fill."""

from __future__ import annotations

import importlib.util
import re
from datetime import date

import polars as pl
import pytest
from fieldscore.settings import PROJECT

spec = importlib.util.spec_from_file_location(
    "fairness_measures", PROJECT / "benchmarks" / "fairness_measures.py"
)
measures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measures)

PAGE = (PROJECT / "docs" / "fairness.md").read_text()
JANUARY, FEBRUARY, APRIL = (date(2026, month, 1) for month in (1, 2, 4))


def test_the_long_run_of_a_rate_leaves_out_its_month_and_its_season():
    """Twice the usual failed in January, half in February.

    Ann lost 1 of January's 2 to be expected then, Bo 3 of 2: in February's 0.5 x 0.1 that is half
    and one and a half of 0.05. In February she lost nothing, and he 2 of 1: in January 2 x 0.2.
    """
    rate = {"kpi_code": "csat_top2", "direction": "up", "is_adjusted": True, "company_rate": 0.1}
    lost = {
        (JANUARY, "ann"): (10, 1),
        (JANUARY, "bo"): (10, 3),
        (FEBRUARY, "ann"): (20, 0),
        (FEBRUARY, "bo"): (20, 2),
    }
    records = [
        {**rate, **_whose(month, who), **_counted(n, n - failures, n, n / 10)}
        for (month, who), (n, failures) in lost.items()
    ]
    assert _long_run(records) == {
        (JANUARY, "ann"): (pytest.approx(1), 1),
        (JANUARY, "bo"): (pytest.approx(0.6), 1),
        (FEBRUARY, "ann"): (pytest.approx(0.975), 1),
        (FEBRUARY, "bo"): (pytest.approx(0.925), 1),
    }


def test_the_long_run_counts_an_items_points_as_parts_of_a_record():
    """40 points possible on one record: 10 lost are a quarter of a failure, not ten of them.

    January's usual is then (0.25 + 0) / (0.1 + 0.3), of which Ann had 4 times her share.
    """
    item = {"kpi_code": "inspection", "direction": "up", "is_adjusted": True, "company_rate": 0.1}
    records = [
        {**item, **_whose(JANUARY, "ann"), **_counted(1, 30, 40, 4)},
        {**item, **_whose(JANUARY, "bo"), **_counted(3, 3, 3, 0.3)},
        {**item, **_whose(FEBRUARY, "ann"), **_counted(1, 9, 10, 1)},
    ]
    assert _long_run(records)[FEBRUARY, "ann"] == (pytest.approx(1 - 4 * 0.1), 1)


def test_an_index_has_a_long_run_in_its_own_unit_and_nothing_measured_has_none():
    index = {"kpi_code": "travel_cost_index", "direction": "down", "is_adjusted": False}
    index["company_rate"] = None
    records = [
        {**index, **_whose(JANUARY, "ann"), **_counted(2, 30, 20, 0)},
        {**index, **_whose(JANUARY, "bo"), **_counted(2, 10, 20, 0)},
        {**index, **_whose(FEBRUARY, "ann"), **_counted(1, 8, 10, 0)},
        {**index, **_whose(FEBRUARY, "bo"), **_counted(0, 0, 0, 0)},
    ]
    found = _long_run(records)
    assert found[FEBRUARY, "ann"] == (pytest.approx(1.5 * 0.8), 1)
    assert found[JANUARY, "bo"] == (None, 0)


@pytest.mark.parametrize(
    ("minutes", "points"),
    [(300, 0), (240, 0), (150, 40), (60, 80), (37.5, 90), (15, 100), (1, 100)],
)
def test_points_follow_the_published_line(minutes, points):
    less_is_better = pl.DataFrame(
        {"value": [minutes], "floor": [240.0], "target": [60.0], "stretch": [15.0]}
    )
    for line in (less_is_better, less_is_better.select(-pl.all())):
        assert line.select(measures.points(pl.col("value"))).item() == pytest.approx(points)


def test_an_error_is_the_distance_to_the_long_run_and_less_may_be_better():
    """Complaints of two technicians: 2 and 4 percentage points off; the skilled one has fewer."""
    kpis = pl.DataFrame(
        {
            **_of_one_month(2),
            "kpi_code": "complaint_rate",
            "adjusted_value": [0.01, 0.09],
            "long_run": [0.03, 0.05],
            "skill": [1.0, -1.0],
            "sign": -1,
            "n": [10, 20],
            "is_adjusted": True,
            "has_long_run": True,
        }
    )
    [found] = measures.kpi_errors(kpis).to_dicts()
    assert found["error"] == pytest.approx(((0.02**2 + 0.04**2) / 2) ** 0.5)
    assert found["agreement"] == pytest.approx(1)
    assert found["with_skill"] == pytest.approx(1)


def test_a_long_run_is_covered_up_to_the_half_width():
    """Two below by 2 and 3 with a half-width of 2, one above by 10 with 12, one unknown."""
    scored = pl.DataFrame(
        {
            **_of_one_month(4),
            "score": [80.0, 80.0, 80.0, 80.0],
            "long_run_score": [82.0, 83.0, 70.0, None],
            "half_width": [2.0, 2.0, 12.0, 1.0],
            "of_rates": [40.0, 40.0, 40.0, 40.0],
            "long_run_of_rates": [41.0, 41.0, 41.0, None],
        }
    )
    [found] = measures.score_errors(scored).to_dicts()
    assert found["covered"] == pytest.approx(2 / 3)
    assert found["rates_covered"] == pytest.approx(1)
    assert found["error"] == pytest.approx(((4 + 9 + 100) / 3) ** 0.5)
    assert found["bias"] == pytest.approx((-2 - 3 + 10) / 3)


def test_only_consecutive_months_tell_how_steady_scores_are():
    """January and February rise and fall together; April turns everything round, after a gap."""
    score = {JANUARY: (70, 80, 90), FEBRUARY: (71, 82, 93), APRIL: (90, 80, 70)}
    scored = pl.DataFrame(
        {
            "company": 1,
            "scoring": "raw",
            "period_month": [month for month in score for _ in range(3)],
            "technician_id": ["ann", "bo", "cai"] * 3,
            "score": [float(points) for month in score.values() for points in month],
        }
    )
    assert measures.steadiness(scored)["steady"].to_list() == [pytest.approx(1)]


def test_few_records_are_the_quarter_with_fewest_and_places_are_30_percent():
    """Of ten the two with fewest records: one is first, the other in the middle."""
    scored = pl.DataFrame(
        {
            **_of_one_month(10),
            "n": [2, 40, 40, 40, 1, 40, 40, 40, 40, 40],
            "score": [float(100 - place) for place in range(10)],
        }
    )
    [found] = measures.few_records(scored).to_dicts()
    assert found["few"] == pytest.approx(0.2)
    assert found["few_best"] == pytest.approx(1 / 3)
    assert found["few_last"] == 0


def test_the_families_shares_of_the_variance_add_up():
    """Two people 4 points apart, 3 of them by quality; cost is the same for both."""
    scored = pl.DataFrame(
        {
            **_of_one_month(2),
            "score": [80.0, 84.0],
            "quality": [40.0, 43.0],
            "workload": [32.0, 33.0],
            "cost": [8.0, 8.0],
        }
    )
    [found] = measures.family_shares(scored).to_dicts()
    assert [found[name] for name in measures.FAMILIES] == pytest.approx([0.75, 0.25, 0])


@pytest.mark.parametrize(("kpi_code", "sign"), [("first_time_fix", 1), ("complaint_rate", -1)])
def test_hard_work_held_against_people_is_a_gap_below_zero(kpi_code, sign):
    """With hard work the value is 1 and 3 percentage points worse than in the long run.

    At a weight of 50 that is 2 and 6 points of the KPI, 1 and 3 of the score.
    """
    worse = [0.01, 0.03, 0.0, 0.0]
    kpis = pl.DataFrame(
        {
            **_of_one_month(4),
            "kpi_code": kpi_code,
            "family": "quality",
            "has_hard_work": [True, True, False, False],
            "adjusted_value": [0.5 - sign * value for value in worse],
            "long_run": 0.5,
            "long_run_points": 80.0,
            "effective_weight": 50.0,
            "contribution": [40 - 100 * value for value in worse],
            "contribution_error": 1.0,
            "n": 30,
            "sign": sign,
            "is_adjusted": True,
            "has_long_run": True,
            "is_ranked": True,
            "is_part_time": False,
        }
    )
    found = {row["kpi_code"]: row for row in measures.hard_work_gaps(kpis).to_dicts()}
    assert found[kpi_code]["gap"] == pytest.approx(-2)
    assert found[kpi_code]["error"] == pytest.approx(1)  # two people, 2 points apart
    assert found[measures.SCORE]["gap"] == pytest.approx(-2)


def test_a_raw_score_is_that_of_the_raw_value():
    kpis = pl.DataFrame(
        {
            "scoring": ["m = 20"],
            "raw_value": [0.7],
            "adjusted_value": [0.8],
            "raw_points": [32.0],
            "points": [64.0],
            "effective_weight": [30.0],
            "contribution": [19.2],
            "contribution_error": [2.0],
        }
    )
    [found] = measures.as_raw(kpis).to_dicts()
    assert found["scoring"] == measures.RAW
    assert (found["adjusted_value"], found["points"]) == (0.7, 32)
    assert found["contribution"] == pytest.approx(9.6)
    assert found["contribution_error"] is None


def test_who_has_nothing_to_handle_elsewhere_has_full_marks_in_the_long_run():
    """Nobody of the truth is judged, and a KPI that is not available is not compared."""
    codes = ["complaint_handling", "csat_top2", "on_time_24h"]
    key = {"company": 1, "period_month": JANUARY, "kpi_code": codes}
    line = {"floor": 0.0, "target": 0.8, "stretch": 1.0}
    kpis = pl.DataFrame(
        {**key, "technician_id": "T1", "scoring": "raw", "available": [True, True, False], **line}
        | {"direction": "up"}
    )
    long_run = pl.DataFrame(
        {**key, "technician_id": "T1", "long_run": [None, 0.9, 0.9], "other_months": [0, 6, 6]}
    )
    skills = pl.DataFrame(
        {"company": 1, "technician_id": ["T1"], "politeness": 1.0, "fix_quality": -2.0}
        | {"speed": 0.0}
    )
    found = {row["kpi_code"]: row for row in measures.judged(kpis, long_run, skills).to_dicts()}
    assert set(found) == {"complaint_handling", "csat_top2"}
    assert found["complaint_handling"]["long_run_points"] == 100
    assert found["csat_top2"]["long_run_points"] == pytest.approx(90)
    assert found["csat_top2"]["skill"] == pytest.approx(0.3 * 1 - 0.2 * 2)
    assert found["csat_top2"]["has_long_run"]
    nobody = skills.with_columns(technician_id=pl.lit("T2"))
    assert measures.judged(kpis, long_run, nobody).is_empty()


def test_the_page_shows_every_m_and_its_plots_are_small():
    for name in ("facts", "scores", "kpis", "hard work"):
        table = PAGE.partition(f"<!-- begin {name} -->")[2].partition(f"<!-- end {name} -->")[0]
        assert table.count("\n|") >= 8, name
        if name in ("scores", "kpis"):
            assert {"raw", "m = 0", "m = 10", "m = 20", "m = 50"} <= set(
                re.findall(r"raw|m = \d+", table)
            )
    plots = re.findall(r"!\[.+\]\((images/\w+\.svg)\)", PAGE)
    assert len(plots) == 4
    for plot in plots:
        assert 0 < (PROJECT / "docs" / plot).stat().st_size < 100_000


def _whose(month: date, technician_id: str) -> dict:
    return {"company": 1, "period_month": month, "technician_id": technician_id}


def _counted(n: int, numerator: float, denominator: float, expected: float) -> dict:
    return {
        "n": n,
        "numerator": float(numerator),
        "denominator": float(denominator),
        "expected": float(expected),
    }


def _of_one_month(technicians: int) -> dict:
    return {
        "company": 1,
        "scoring": "raw",
        "period_month": JANUARY,
        "technician_id": [f"T{number}" for number in range(technicians)],
    }


def _long_run(records: list[dict]) -> dict:
    """Value and number of other months, by month and technician."""
    found = measures.long_run(pl.DataFrame(records)).to_dicts()
    return {
        (row["period_month"], row["technician_id"]): (row["long_run"], row["other_months"])
        for row in found
    }
