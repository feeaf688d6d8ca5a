"""Two routes, one number: the marts against a scorer that shares nothing with the pipeline.

tests/reference reads raw deliveries and policy files, and neither our code nor our SQL. Compared
are every KPI, score, rank and line of every technician and month.
"""

from __future__ import annotations

from datetime import date

import pytest
from fieldscore import policy, sample_company
from nights import Site, marts, run_night, silent
from reference import Reference, differences, score

NIGHT = date(2026, 3, 9)


@pytest.fixture(scope="module")
def routes(site: Site) -> tuple[Reference, dict]:
    """The sample company's months by both routes, dirty rows and all feeds included.

    Half a year, so that late reopenings, moves and full benchmarks are among them.
    """
    settings = site.clear()
    site.landing.rmdir()
    sample_company.generate(
        site.landing, technicians=24, months=6, nights=2, seed=7, progress=silent
    )
    run_night(settings, NIGHT)
    return score(site.landing, policy.POLICY, NIGHT), marts(settings)


def test_both_routes_give_the_same_numbers(routes) -> None:
    reference, published = routes
    compared = published["fct_technician_kpis"]
    assert len({row["kpi_code"] for row in compared}) == 28
    assert len(compared) > 3500
    assert sum(row["available"] for row in compared) > 2500
    assert sum(row["score"] is not None for row in published["fct_technician_scores"]) > 120
    assert len(published["fct_score_lines"]) > 5000
    assert differences(reference, published) == []


def test_a_number_that_differs_is_told(routes) -> None:
    reference, published = routes
    spoilt = [dict(row) for row in published["fct_technician_kpis"]]
    row = next(row for row in spoilt if row["kpi_code"] == "csat_top2" and row["available"])
    row["points"] -= 1
    [told] = differences(reference, published | {"fct_technician_kpis": spoilt})
    assert "csat_top2 points" in told and row["technician_id"] in told
