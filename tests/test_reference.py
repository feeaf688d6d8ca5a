"""Two routes, one number: the marts against a scorer that shares nothing with the pipeline.

tests/reference reads raw deliveries and policy files, and neither our code nor our SQL. Compared
are the KPIs on whose records both agree; for the others see DECISIONS.md, "The second route".
"""

from __future__ import annotations

from datetime import date

import pytest
from fieldscore import policy, sample_company
from nights import Site, marts, run_night, silent
from reference import Reference, differences, score

NIGHT = date(2026, 3, 9)

AGREED = (
    "csat_top2",
    "csat_mean",
    "nps",
    "survey_response_rate",
    "survey_sent_in_24h",
    "first_time_fix",
    "first_time_fix_strict",
    "complaint_rate",
    "complaint_handling",
    "minor_faults",
    "on_time_24h",
    "on_time_24h_gross",
    "on_time_arrival",
    "completion",
    "response_time",
    "travel_cost_index",
)
# What these depend on through the weight of the others is not theirs alone.
THEIR_OWN = ("numerator", "denominator", "n", "n_immature", "raw_value", "adjusted_value", "points")


@pytest.fixture(scope="module")
def routes(site: Site) -> tuple[Reference, dict]:
    """The sample company's months by both routes, dirty rows and all feeds included."""
    settings = site.clear()
    site.landing.rmdir()
    sample_company.generate(site.landing, technicians=12, months=4, nights=1, progress=silent)
    run_night(settings, NIGHT)
    return score(site.landing, policy.POLICY, NIGHT), marts(settings)


def test_both_routes_give_every_agreed_kpi_the_same_numbers(routes) -> None:
    reference, published = routes
    compared = [row for row in published["fct_technician_kpis"] if row["kpi_code"] in AGREED]
    assert len(compared) > 500
    assert sum(row["available"] for row in compared) > 400
    found = [
        line
        for line in differences(reference, published, AGREED)
        if line.split()[2] in AGREED and line.split()[3].rstrip(":") in THEIR_OWN
    ]
    assert found == []


def test_a_number_that_differs_is_told(routes) -> None:
    reference, published = routes
    spoilt = [dict(row) for row in published["fct_technician_kpis"]]
    row = next(row for row in spoilt if row["kpi_code"] == "csat_top2" and row["available"])
    row["points"] -= 1
    found = differences(reference, published | {"fct_technician_kpis": spoilt}, ["csat_top2"])
    told = [line for line in found if "csat_top2 points" in line]
    assert len(told) == 1 and row["technician_id"] in told[0]
