"""Why work stood still, and on whose account."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick
from fieldscore.sample_company.orders import Orders
from fieldscore.sample_company.people import HOUR, MINUTE, NEVER, Company

OWNERS = ("customer", "parts", "company", "third_party", "technician")
CUSTOMER, PARTS, COMPANY, THIRD_PARTY, TECHNICIAN = range(len(OWNERS))
REASONS = (
    "waiting for the part",
    "customer asked for a later day",
    "nobody at home",
    "customer away when the part came",
    "等待派单审批",
    "no power, building management was called",
    "另一工单",
    "noted afterwards",
)
NOTED_AFTERWARDS = len(REASONS) - 1

PAUSE = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "started", "ended", "entered")),
        ("evidence", "i4"),  # number of a document, -1 where there is none
        *((name, "i1") for name in ("number", "owner", "reason")),
    ]
)


def pauses_of(company: Company, orders: Orders) -> np.ndarray:
    """Every row (of PAUSE) the pauses of these orders lead to.

    Who waits mostly says so at once and delivers the same pause again when it is over; the rest is
    entered once, at its end. Pauses of an order may overlap, and some never end.
    """
    order, visited = orders.asked["order"], orders.arrived < NEVER

    def draw(what: str) -> np.ndarray:
        return company.draw(f"pause {what}", order)

    def some(what: str, share: float) -> np.ndarray:
        return visited & (draw(what) < share)

    wait = orders.arrived - orders.accepted
    parts_wait = orders.second_arrived - orders.left
    stay = np.where(orders.left < NEVER, orders.left - orders.arrived, 0)
    to_finish = orders.completed - orders.accepted
    no_part = orders.needs_part & some("for the part", 0.92)
    share = 0.7 + 0.3 * draw("part came")
    part_came = orders.left + (share * parts_wait).astype(np.int64)
    part_came = np.where(orders.second_arrived < NEVER, part_came, NEVER)
    late_owner = np.array([CUSTOMER, PARTS, COMPANY])[pick(draw("late owner"), (5, 3, 2))]

    def at(share: float, span: np.ndarray, since: np.ndarray = orders.accepted) -> np.ndarray:
        return since + (share * span).astype(np.int64)

    # exists, owner, started, ended; in the order of REASONS
    pauses = (
        (no_part, PARTS, orders.left, part_came),
        (
            orders.later_slot & some("for the wish", 0.6),
            CUSTOMER,
            orders.accepted,
            orders.slot_start,
        ),
        (
            (orders.turned_away < NEVER) & some("for the key", 0.8),
            CUSTOMER,
            orders.turned_away + 15 * MINUTE,
            orders.arrived,
        ),
        (
            no_part & (part_came < NEVER) & (draw("away") < 0.2),
            CUSTOMER,
            orders.left + parts_wait // 2,
            orders.second_arrived,
        ),
        (some("for the company", 0.012), COMPANY, at(0.2, wait), at(0.8, wait)),
        (
            some("for others", 0.008),
            THIRD_PARTY,
            at(0.2, stay, orders.arrived),
            at(0.6, stay, orders.arrived),
        ),
        (some("for himself", 0.02), TECHNICIAN, at(0.3, wait), at(0.9, wait)),
        (
            (orders.completed < NEVER) & some("entered late", 0.01),
            late_owner,
            at(0.1, to_finish),
            at(0.6, to_finish),
        ),
    )
    rows = np.concatenate([_pauses(order, kind, *pause) for kind, pause in enumerate(pauses)])

    def whose(what: str) -> np.ndarray:
        return company.draw(f"pause {what}", rows["order"], rows["number"])

    at_once = (whose("entered at once") < 0.7) | (rows["ended"] < 0)
    entered = np.where(at_once, rows["started"], rows["ended"])
    entered = entered + between(whose("entered after"), 1, 15) * MINUTE
    afterwards = rows["ended"] + between(whose("noted after"), 1, 72) * HOUR
    entered = np.where(rows["reason"] == NOTED_AFTERWARDS, afterwards, entered)
    rows["entered"] = rows["updated"] = entered
    documented = whose("documented") < np.where(rows["owner"] == PARTS, 0.85, 0.5)
    rows["evidence"] = np.where(documented, rows["order"], -1)

    still_open = rows["updated"] < rows["ended"]
    closed = rows.take(np.flatnonzero(still_open))
    closed["updated"] = closed["ended"] + between(whose("told after")[still_open], 1, 30) * MINUTE
    rows["ended"][still_open] = -1
    return np.concatenate([rows, closed])


def _pauses(
    order: np.ndarray,
    kind: int,
    exists: np.ndarray,
    owner: int | np.ndarray,
    started: np.ndarray,
    ended: np.ndarray,
) -> np.ndarray:
    """When the pauses of one kind began and ended."""
    which = np.flatnonzero(exists & (started < ended))
    rows = np.zeros(len(which), PAUSE)
    rows["order"], rows["number"], rows["reason"] = order[which], kind + 1, kind
    rows["owner"] = owner if isinstance(owner, int) else owner[which]
    rows["started"], rows["ended"] = started[which], np.where(ended < NEVER, ended, -1)[which]
    return rows
