"""What inspectors find when they look at a sample of the completed orders."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, normal
from fieldscore.sample_company.orders import Orders
from fieldscore.sample_company.people import DAY, HOUR, NEVER, Company

ITEMS = ("running_test", "safety", "conduct", "paperwork")
POSSIBLE = (40, 30, 20, 10)
CONDUCT, PAPERWORK = 2, 3
SHARE = 0.08

INSPECTION = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "inspected")),
        ("evidence", "i4"),  # number of a document, -1 where there is none
        ("quarters", "i2"),  # of a point, earned
        ("item", "i1"),
    ]
)


def inspections_of(company: Company, orders: Orders) -> np.ndarray:
    """The items (INSPECTION) of the inspections of these orders.

    Of each sampled order three, mostly with paperwork a fourth. Tests show the technician's fix
    quality, conduct his politeness, paperwork both.
    """
    order = orders.asked["order"]
    sampled = (orders.completed < NEVER) & (company.draw("inspected", order) < SHARE)
    who = np.repeat(np.flatnonzero(sampled), len(ITEMS))
    item = np.tile(np.arange(len(ITEMS)), len(who) // len(ITEMS))
    papers = company.draw("papers inspected", order[who]) < 0.6
    who, item = who[(item != PAPERWORK) | papers], item[(item != PAPERWORK) | papers]

    rows = np.zeros(len(who), INSPECTION)
    rows["order"], rows["item"] = order[who], item

    def draw(what: str) -> np.ndarray:
        return company.draw(f"inspection {what}", rows["order"])

    rows["inspected"] = orders.saved[who] + between(draw("after"), HOUR, 5 * DAY)
    rows["updated"] = rows["inspected"] + between(draw("written after"), 60, 12 * HOUR)
    rows["evidence"] = np.where(draw("documented") < 0.95, rows["order"], -1)
    technician = orders.technician[who]
    skill, manners = company.latent.fix_quality[technician], company.latent.politeness[technician]
    care = np.select([item == CONDUCT, item == PAPERWORK], [manners, (skill + manners) / 2], skill)
    shown = 0.92 + 0.05 * care + 0.09 * normal(company.draw("shows", order[who], item))
    possible = 4 * np.array(POSSIBLE)[item]
    rows["quarters"] = (np.clip(shown, 0, 1) * possible).astype(np.int64)
    return rows
