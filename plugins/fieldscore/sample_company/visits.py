"""Who was at the customer's and when, and what technicians tell of it."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between
from fieldscore.sample_company.orders import (
    CAUSES,
    IRREPARABLE,
    NO_FAULT_FOUND,
    QUOTE_REFUSED,
    SLOT,
    USER_EDUCATION,
    Orders,
)
from fieldscore.sample_company.people import HOUR, MINUTE, NEVER, Company

ROLES = ("lead", "assistant")
LEAD, ASSISTANT = range(len(ROLES))
OUTCOMES = ("fixed", "diagnosed", "parts_needed", "no_access", "refused")
FIXED, DIAGNOSED, PARTS_NEEDED, NO_ACCESS, REFUSED = range(len(OUTCOMES))
HEAVY = 70  # minutes from which on somebody may come along

VISIT = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "technician", "slot_start", "slot_end")),
        *((name, "i4") for name in ("departed", "arrived", "left")),
        ("number", "i1"),  # of the visit among those of its order
        ("area", "i1"),
        *((name, "i1") for name in ("role", "outcome", "diagnosed")),
    ]
)


def trips_of(company: Company, orders: Orders) -> np.ndarray:
    """Every trip (a VISIT) these orders lead to, as it was; `updated` is when it was over.

    Who was called back has no arrival, who never said how it ended has no end, and neither has an
    outcome.
    """

    def draw(what: str) -> np.ndarray:
        return company.draw(f"visit {what}", orders.asked["order"])

    turned_away = orders.turned_away < NEVER
    second = orders.second_arrived < NEVER
    first_number = 1 + turned_away
    over = np.where(orders.cancelled < NEVER, orders.cancelled, orders.arrived)
    slot_start = np.where(orders.slot_start < NEVER, orders.slot_start, -1)
    second_slot = orders.second_arrived - orders.second_arrived % SLOT
    way = np.minimum(orders.arrived - orders.departed, HOUR)
    waits = between(draw("waits"), 5, 15) * MINUTE
    technician, cause = orders.technician, orders.cause

    ends = np.full(len(orders.asked), FIXED)
    ends[(orders.resolution == NO_FAULT_FOUND) | (orders.resolution == USER_EDUCATION)] = DIAGNOSED
    ends[orders.resolution == IRREPARABLE] = DIAGNOSED
    ends[orders.resolution == QUOTE_REFUSED] = REFUSED
    cancelled = np.where(cause == CAUSES.index("customer"), REFUSED, DIAGNOSED)
    first = np.where(orders.cancelled < NEVER, cancelled, ends)
    first[orders.needs_part] = PARTS_NEEDED
    first[orders.left == NEVER] = -1

    def trips(exists: np.ndarray, **columns: np.ndarray | int) -> np.ndarray:
        rows = np.full(np.count_nonzero(exists), -1, VISIT)
        rows["order"], rows["area"] = orders.asked["order"][exists], orders.asked["area"][exists]
        rows["role"] = LEAD
        for name, values in columns.items():
            known = np.broadcast_to(values, len(exists))[exists]
            rows[name] = np.where(known < NEVER, known, -1)
        return rows

    leads = [
        trips(
            turned_away,
            number=1,
            technician=technician,
            departed=np.maximum(orders.turned_away - way, orders.accepted),
            arrived=orders.turned_away,
            left=orders.turned_away + waits,
            updated=orders.turned_away + waits,
            outcome=NO_ACCESS,
        ),
        trips(
            orders.departed < NEVER,
            number=first_number,
            technician=technician,
            slot_start=slot_start,
            departed=orders.departed,
            arrived=orders.arrived,
            left=orders.left,
            updated=np.where(orders.left < NEVER, orders.left, over),
            outcome=first,
        ),
        trips(
            second,
            number=first_number + 1,
            technician=orders.second_technician,
            slot_start=second_slot,
            departed=orders.second_arrived - way,
            arrived=orders.second_arrived,
            left=orders.completed,
            updated=orders.completed,
            outcome=ends,
        ),
        trips(
            orders.completed_again < NEVER,
            number=first_number + 1 + second,
            technician=technician,
            departed=orders.again_arrived - way,
            arrived=orders.again_arrived,
            left=orders.completed_again,
            updated=orders.completed_again,
            outcome=FIXED,
        ),
    ]
    rows = np.concatenate(leads)
    rows["slot_end"] = np.where(rows["slot_start"] < 0, -1, rows["slot_start"] + SLOT)
    noted = company.draw("visit diagnosis noted", rows["order"], rows["number"])
    usual = np.where(rows["outcome"] == PARTS_NEEDED, 0.92, 0.7)
    looked = (rows["outcome"] >= 0) & (rows["outcome"] != NO_ACCESS)
    rows["diagnosed"] = np.where(looked, noted < usual, -1)
    return np.concatenate([rows, _assistants(company, orders, rows)])


def _assistants(company: Company, orders: Orders, leads: np.ndarray) -> np.ndarray:
    """Who came along: a colleague for most of the visit that ended a heavy job."""
    heavy = orders.asked["order"][(orders.minutes >= HEAVY) & (orders.completed < NEVER)]
    ended = leads["outcome"] == FIXED
    rows = leads.take(np.flatnonzero(ended & np.isin(leads["order"], heavy)))

    def draw(what: str) -> np.ndarray:
        return company.draw(f"assistant {what}", rows["order"], rows["number"])

    colleague = company.anybody(orders.day, rows["area"], draw("is"))
    comes = (draw("comes") < 0.16) & (colleague != rows["technician"])
    stay = rows["left"] - rows["arrived"]
    late = (draw("is late by") * 0.3 * stay).astype(np.int64)
    rows["left"] -= (draw("leaves early by") * 0.4 * stay).astype(np.int64)
    rows["arrived"] += late
    rows["departed"] += late
    rows["technician"], rows["role"], rows["diagnosed"] = colleague, ASSISTANT, -1
    return rows.take(np.flatnonzero(comes))


def visits_of(company: Company, trips: np.ndarray) -> np.ndarray:
    """Every version (of VISIT) that is delivered of these trips.

    Told when they are over; of one order in fifty nobody tells anything. Of some the end is told
    a day or two later, of some it is put right then.
    """
    rows = trips.take(np.flatnonzero(company.draw("visit told", trips["order"]) >= 0.02))

    def draw(what: str) -> np.ndarray:
        return company.draw(f"visit {what}", rows["order"], rows["number"], rows["role"])

    rows["updated"] += between(draw("told after"), 1, 9) * MINUTE
    later = np.where(rows["left"] > rows["arrived"], draw("told later"), 1.0)
    told_late, put_right = later < 0.012, (later >= 0.012) & (later < 0.025)
    again = rows.take(np.flatnonzero(told_late | put_right))
    again["updated"] += between(draw("told again after")[told_late | put_right], 2, 40) * HOUR
    stay = again["left"] - again["arrived"]
    earlier = np.minimum(stay // 2, 10 * MINUTE)
    again["left"] -= np.where(put_right[told_late | put_right], earlier, 0)
    for name in ("left", "outcome", "diagnosed"):
        rows[name][told_late] = -1
    return np.concatenate([rows, again])
