"""What technicians object to after the fact, and what a manager decides about it."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick
from fieldscore.sample_company.expenses import REJECTED
from fieldscore.sample_company.orders import (
    FIXED,
    NO_FAULT_FOUND,
    REMOTE,
    REPAIR,
    Orders,
    fault_of,
)
from fieldscore.sample_company.people import DAY, HOUR, MINUTE, NEVER, Company
from fieldscore.sample_company.surveys import REASONS

# What is asked for, as (feed, field, reason).
MATTERS = (
    ("work_orders", "fault_code", "the fault turned out to be another one"),
    ("work_orders", "resolution", "wrong entry"),
    ("work_orders", "technician_id", "a colleague did it"),
    ("work_orders", "completed_at", "写晚了 实际更早完成"),
    ("surveys", "reason", "the customer meant something else"),
    ("expenses", "amount", "a receipt was missing"),
)
FAULT, RESOLUTION, TECHNICIAN, COMPLETED, REASON, AMOUNT = range(len(MATTERS))
DECISIONS = ("upheld", "rejected")

CORRECTION = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "technician", "decided")),
        ("value", "i4"),  # a position in what the matter's values are, a moment, or cents
        ("evidence", "i4"),  # number of a document, -1 where there is none
        ("kind", "i1"),  # of the claim
        ("area", "i1"),  # of who decides
        *((name, "i1") for name in ("matter", "decision")),
    ]
)


def corrections_of(
    company: Company, orders: Orders, surveys: np.ndarray, expenses: np.ndarray
) -> np.ndarray:
    """Every row (of CORRECTION) of what is to be put right in these records.

    surveys, expenses: all versions of those of these orders. Delivered when asked for, without a
    decision, and again when decided.
    """
    rows = np.concatenate(
        [
            _of_orders(company, orders),
            _of_surveys(company, orders, surveys),
            _of_expenses(company, expenses),
        ]
    )
    rows["area"] = orders.asked["area"][_place(orders, rows["order"])]

    def draw(what: str) -> np.ndarray:
        return company.draw(f"correction {what}", rows["order"], rows["matter"])

    rows["updated"] += between(draw("asked for after"), HOUR, 7 * DAY)
    rows["evidence"] = np.where(draw("documented") < 0.9, rows["order"], -1)
    rows["decided"] = rows["decision"] = -1
    decides = draw("decided") < 0.9
    decided = rows.take(np.flatnonzero(decides))
    office_hours = between(draw("office hours")[decides], 9 * HOUR, 17 * HOUR)
    days = between(draw("decided after")[decides], 1, 6)
    decided["decided"] = (decided["updated"] // DAY + days) * DAY + office_hours
    decided["updated"] = decided["decided"] + MINUTE
    decided["decision"] = pick(draw("decision")[decides], (62, 38))
    return np.concatenate([rows, decided])


def _of_orders(company: Company, orders: Orders) -> np.ndarray:
    """Of repairs completed at the customer's."""
    asked = orders.asked
    repaired = (asked["service"] == REPAIR) & (orders.resolution != REMOTE)
    doubted = company.draw("order to correct", asked["order"]) < 0.0011
    who = np.flatnonzero(repaired & (orders.completed < NEVER) & doubted)
    order = asked["order"][who]
    matter = pick(company.draw("what to correct", order), (35, 25, 20, 20))
    draw = company.draw("correct value", order)
    arrived = np.where(orders.needs_part, orders.second_arrived, orders.arrived)[who]
    earlier = np.maximum(orders.completed[who] - between(draw, 5, 40) * MINUTE, arrived)
    is_value = (asked["fault"], orders.resolution, orders.technician, orders.completed)
    value = (
        fault_of(draw, asked["category"][who]),
        np.where(orders.resolution[who] == FIXED, NO_FAULT_FOUND, FIXED),
        company.anybody(orders.day, asked["area"][who], draw),
        earlier,
    )
    value = np.choose(matter, value)
    other = value != np.choose(matter, [is_there[who] for is_there in is_value])
    rows = _rows(order, orders.technician[who], orders.saved[who], matter, value)
    return rows.take(np.flatnonzero(other))


def _of_surveys(company: Company, orders: Orders, surveys: np.ndarray) -> np.ndarray:
    """Of bad answers whose reason is said to be the technician, or not said."""
    bad = (surveys["number"] == 1) & (surveys["rating"] >= 1) & (surveys["rating"] <= 3)
    bad &= surveys["reason"] <= REASONS.index("technician")
    bad &= company.draw("answer to correct", surveys["order"]) < 0.012
    _, first = np.unique(surveys["order"][bad], return_index=True)
    rows = surveys.take(np.flatnonzero(bad)[first])
    technician = orders.technician[_place(orders, rows["order"])]
    reason = 1 + pick(company.draw("correct reason", rows["order"]), (3, 4, 3))
    return _rows(rows["order"], technician, rows["updated"], REASON, reason)


def _of_expenses(company: Company, expenses: np.ndarray) -> np.ndarray:
    """Of rejected claims for one order."""
    refused = (expenses["status"] == REJECTED) & (expenses["order"] >= 0)
    refused &= company.draw("claim to correct", expenses["order"], expenses["kind"]) < 0.05
    rows = expenses.take(np.flatnonzero(refused))
    share = 0.5 + 0.4 * company.draw("correct amount", rows["order"])
    cents = (rows["cents"] * share).astype(np.int64)
    return _rows(rows["order"], rows["technician"], rows["updated"], AMOUNT, cents, rows["kind"])


def _rows(
    order: np.ndarray,
    technician: np.ndarray,
    since: np.ndarray,
    matter: np.ndarray | int,
    value: np.ndarray,
    kind: np.ndarray | int = 0,
) -> np.ndarray:
    """What these technicians ask for; ``since`` the record is there."""
    rows = np.zeros(len(order), CORRECTION)
    rows["order"], rows["technician"], rows["updated"] = order, technician, since
    rows["matter"], rows["value"], rows["kind"] = matter, value, kind
    return rows


def _place(orders: Orders, order: np.ndarray) -> np.ndarray:
    """The positions of these order numbers among a day's, which follow each other."""
    return order - orders.asked["order"][:1]
