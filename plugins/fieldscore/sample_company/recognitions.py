"""What customers do to show that they were delighted."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick
from fieldscore.sample_company.orders import Orders
from fieldscore.sample_company.people import DAY, HOUR, NEVER, Company

KINDS = ("praise", "referral", "new_business", "repeat_purchase", "social_mention")
DELIGHTED = 1.6  # contentment

RECOGNITION = np.dtype(
    [
        *((name, "i4") for name in ("updated", "recognised", "order", "technician", "customer")),
        ("day", "i4"),
        ("evidence", "i4"),  # number of a document, -1 where there is none
        *((name, "i1") for name in ("number", "kind", "approver")),  # approver: of which area
    ]
)


def recognitions_of(company: Company, orders: Orders, content: np.ndarray) -> np.ndarray:
    """Every row (of RECOGNITION) of the recognitions that these orders lead to.

    content: see `surveys.contentment`. Delivered on its day, and again once somebody approved it.
    One customer in ten does it again within weeks, mostly in the same quarter.
    """
    order = orders.asked["order"]
    likely = np.where(content > DELIGHTED, 0.1, 0.002) * (orders.completed < NEVER)
    who = np.flatnonzero(company.draw("recognises", order) < likely)
    twice = who[company.draw("recognises again", order[who]) < 0.1]
    number = np.repeat([1, 2], [len(who), len(twice)])
    who = np.concatenate([who, twice])

    rows = np.zeros(len(who), RECOGNITION)
    rows["recognised"], rows["number"] = order[who], number

    def draw(what: str) -> np.ndarray:
        return company.draw(f"recognition {what}", rows["recognised"], rows["number"])

    # The few that name no order name the customer; the few that name none name the order.
    names = pick(draw("names"), (90, 6, 4))
    rows["order"] = np.where(names == 1, -1, order[who])
    rows["customer"] = np.where(names == 2, -1, orders.asked["customer"][who])
    rows["technician"], rows["kind"] = orders.technician[who], pick(draw("kind"), (70, 12, 8, 6, 4))
    day = orders.saved[who] // DAY + pick(draw("after"), (45, 25, 12, 8, 6, 4))
    rows["day"] = day + (number == 2) * between(draw("again after"), 0, 25)
    rows["updated"] = rows["day"] * DAY + between(draw("evening"), 18 * HOUR, 21 * HOUR)
    rows["evidence"] = np.where(draw("documented") < 0.92, rows["recognised"], -1)
    rows["approver"] = -1
    approves = draw("approved") < 0.92
    approved = rows.take(np.flatnonzero(approves))
    approved["approver"] = orders.asked["area"][who][approves]
    approved["updated"] += between(draw("approved after")[approves], 1, 5) * DAY
    return np.concatenate([rows, approved])
