"""The versions a work order leaves in the company's system."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick
from fieldscore.sample_company.orders import REMOTE, RESOLUTIONS, SLOT, Orders, fault_of
from fieldscore.sample_company.people import DAY, HOUR, MINUTE, NEVER, Company

VERSION = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "technician", "customer", "serial")),
        *((name, "i4") for name in ("reported", "assigned", "accepted", "slot_start", "slot_end")),
        *((name, "i4") for name in ("arrived", "completed", "cancelled", "follow_up_of")),
        *((name, "i1") for name in ("version", "status", "area", "category", "service", "fault")),
        *((name, "i1") for name in ("priority", "in_warranty", "slot_by", "cause", "resolution")),
    ]
)
# What versions tell, in the order of their moments, and the status each of them shows.
_UNASSIGNED, _ASSIGNED, _HANDED, _STARTED, _PART = range(5)
_CANCELLED, _DONE, _REOPENED, _DONE_AGAIN, _CORRECTED = range(5, 10)
_STATUS = np.array([0, 0, 0, 1, 1, 3, 2, 1, 2, 2])


def versions_of(company: Company, orders: Orders) -> np.ndarray:
    """Every version (of VERSION) of these orders, an order's in their sequence.

    A moment stands in a version as soon as it has come. Empty values are -1.
    """
    asked = orders.asked

    def draw(what: str) -> np.ndarray:
        return company.draw(what, asked["order"])

    # At night nobody assigns: the report is a version of its own. A technician's application
    # tells of his start when he accepts, when he arrives, or not at all.
    unassigned = orders.assigned - orders.reported > 2 * HOUR
    tells = draw("tells of the start")
    corrected = (orders.reopened == NEVER) & (draw("corrected") < 0.004)
    times = np.stack(
        [
            np.where(unassigned, orders.reported, NEVER),
            orders.assigned,
            orders.handed,
            np.where(tells < 0.4, orders.accepted, np.where(tells < 0.7, orders.arrived, NEVER)),
            np.where(orders.needs_part, orders.arrived + 25 * MINUTE, NEVER),
            orders.cancelled,
            orders.saved,
            np.where(draw("shown open") < 0.8, orders.reopened, NEVER),
            orders.completed_again + 5 * MINUTE,
            np.where(corrected, orders.saved + between(draw("corrected at"), 1, 20) * HOUR, NEVER),
        ],
        axis=1,
    )
    # Nothing comes after a cancellation.
    exists = times < orders.cancelled[:, None]
    exists[:, _CANCELLED] = orders.cancelled < NEVER
    number = np.cumsum(exists, axis=1)
    who, kind = np.nonzero(exists)

    rows = np.zeros(len(who), VERSION)
    rows["updated"] = updated = times[who, kind]
    rows["order"] = asked["order"][who]
    rows["version"] = number[who, kind]
    rows["status"] = _STATUS[kind]

    def known(moment: np.ndarray) -> np.ndarray:
        return np.where(moment[who] <= updated, moment[who], -1)

    for name in ("reported", "assigned", "accepted", "arrived", "cancelled"):
        rows[name] = known(getattr(orders, name))
    given = rows["assigned"] >= 0
    holder = np.where(
        orders.handed[who] <= updated, orders.technician[who], orders.first_holder[who]
    )
    rows["technician"] = np.where(given, holder, -1)

    # A slot the company moves was a day earlier in the first version that has one.
    slot = given & (orders.slot_start[who] < NEVER)
    first_promise = orders.slot_moved[who] & (kind == _ASSIGNED)
    slot_start = orders.slot_start[who] - DAY * first_promise
    rows["slot_start"] = np.where(slot, slot_start, -1)
    rows["slot_end"] = np.where(slot, slot_start + SLOT, -1)
    rows["slot_by"] = np.where(slot, orders.slot_by[who], -1)

    # The end. Some completions turn out to have been minutes earlier, some faults to be others.
    ended = (kind == _DONE) | (kind >= _DONE_AGAIN)
    earlier = orders.completed - between(draw("corrected by"), 5, 20) * MINUTE
    earlier = np.where(
        orders.resolution == REMOTE, orders.completed, np.maximum(earlier, orders.arrived)
    )
    completed = np.where(kind == _DONE_AGAIN, orders.completed_again[who], orders.completed[who])
    completed = np.where(kind == _CORRECTED, earlier[who], completed)
    rows["completed"] = np.where(ended, completed, -1)
    written = ended & (orders.resolution[who] < len(RESOLUTIONS))
    rows["resolution"] = np.where(written, orders.resolution[who], -1)
    rows["cause"] = np.where(kind == _CANCELLED, orders.cause[who], -1)
    other = fault_of(draw("other fault"), asked["category"])
    found = np.where((asked["fault"] >= 0) & (draw("found") < 0.03), other, asked["fault"])
    rows["fault"] = np.where(ended, found[who], asked["fault"][who])

    customer, again = asked["customer"], asked["parent"] >= 0
    rows["customer"] = np.where(draw("customer noted") < 0.99, customer, -1)[who]
    rows["serial"] = np.where(draw("serial noted") < 0.97, customer, -1)[who]
    rows["follow_up_of"] = np.where(asked["follows"], asked["parent"], -1)[who]
    rows["priority"] = np.where(again, 2, pick(draw("priority"), (15, 75, 10)))[who]
    rows["in_warranty"] = orders.in_warranty[who]
    for name in ("area", "category", "service"):
        rows[name] = asked[name][who]
    return rows
