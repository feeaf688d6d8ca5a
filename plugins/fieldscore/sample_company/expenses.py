"""What technicians claim for their ways."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick, skewed
from fieldscore.sample_company.orders import Orders
from fieldscore.sample_company.people import AREAS, DAY, HOUR, NEVER, Company

KINDS = ("travel", "lodging", "other")
STATUSES = ("submitted", "approved", "rejected")
TRAVEL, LODGING, OTHER = range(len(KINDS))
SUBMITTED, APPROVED, REJECTED = range(len(STATUSES))

EXPENSE = np.dtype(
    [
        ("updated", "i4"),
        ("order", "i4"),  # -1 for a claim by trip
        ("technician", "i4"),
        ("day", "i4"),  # of the visit, on the area's calendar
        ("cents", "i4"),
        ("tenths_of_km", "i4"),  # -1 where none were driven
        ("kind", "i1"),
        ("status", "i1"),
    ]
)


def expenses_of(company: Company, orders: Orders) -> np.ndarray:
    """Every version (of EXPENSE) of the claims these orders lead to.

    About 30 % of the visits are claimed: on one technician's day in eight the whole day as one
    trip, else order by order. Each order of a trip leads to the same claim, see `one_of_each_trip`.
    """
    visited = np.flatnonzero(orders.arrived < NEVER)
    order = orders.asked["order"][visited]
    technician = orders.technician[visited]
    day = orders.arrived_local[visited] // DAY
    trip = company.draw("claims the day", technician, day) < 0.12

    def some(what: str, share: float) -> np.ndarray:
        return company.draw(what, order) < share

    return np.concatenate(
        [
            _claims(company, orders, visited[trip], TRAVEL, by_trip=True),
            _claims(company, orders, visited[~trip & some("claims the way", 0.21)], TRAVEL),
            _claims(company, orders, visited[some("stays overnight", 0.004)], LODGING),
            _claims(company, orders, visited[some("other cost", 0.008)], OTHER),
        ]
    )


def _claims(
    company: Company, orders: Orders, visits: np.ndarray, kind: int, *, by_trip: bool = False
) -> np.ndarray:
    """The versions of one claim of that kind for each of these visits, or for their trips."""
    order, area = orders.asked["order"][visits], orders.asked["area"][visits]
    technician = orders.technician[visits]
    day = orders.arrived_local[visits] // DAY
    whose = (technician, day) if by_trip else (order,)

    def draw(what: str) -> np.ndarray:
        return company.draw(f"claim {kind} {what}", *whose)

    rows = np.zeros(len(visits), EXPENSE)
    rows["order"] = -1 if by_trip else order
    rows["technician"], rows["day"], rows["kind"] = technician, day, kind
    if kind == TRAVEL:
        way = np.array([place.kilometres for place in AREAS])[area] * skewed(draw("way"), 0.35)
        way *= 2.4 if by_trip else 1.0
        rows["tenths_of_km"] = 10 * way
        rows["cents"] = (500 + 110 * way) * company.spending[technician]
    else:
        most = 45_000 if kind == LODGING else 6_000
        rows["tenths_of_km"] = -1
        rows["cents"] = between(draw("amount"), most // 3, most)
    handed_in = day + pick(draw("handed in after"), (60, 25, 10, 5))
    evening = handed_in * DAY + 19 * HOUR + (draw("evening") * 3 * HOUR).astype(np.int64)
    rows["updated"] = company.moment(area, evening)

    decision = draw("decision")  # 93 % approved, 4 % rejected, the rest is lying about
    decided = rows.take(np.flatnonzero(decision < 0.97))
    decided["status"] = np.where(decision < 0.93, APPROVED, REJECTED)[decision < 0.97]
    office = (handed_in + between(draw("decided after"), 1, 8)) * DAY + 9 * HOUR
    office += (draw("office hours") * 8 * HOUR).astype(np.int64)
    decided["updated"] = company.moment(area, office)[decision < 0.97]
    return np.concatenate([rows, decided])


def one_of_each_trip(rows: np.ndarray) -> np.ndarray:
    """These claims of one business date without the copies of its trips."""
    trips = np.flatnonzero(rows["order"] < 0)
    trip = rows["technician"][trips] * np.int64(NEVER) + 2 * rows["day"][trips]
    trip += rows["status"][trips] > SUBMITTED
    _, first = np.unique(trip, return_index=True)
    keep = rows["order"] >= 0
    keep[trips[first]] = True
    return rows.take(np.flatnonzero(keep))
