"""What technicians take from the store, put into appliances and bring back."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick
from fieldscore.sample_company.orders import CATEGORIES, FAULTS, FIXED, REPAIR, Orders
from fieldscore.sample_company.people import DAY, MINUTE, NEVER, Company

# What each appliance takes by the way, and its price; the first two by the tenth of a kilogram.
_SUNDRIES = (("R32", 48), ("R600A", 52), ("SEAL", 14), ("GASKET", 11), ("FILTER", 9), ("FUSE", 6))
_POURED = 2
# The part that mends each fault, then the sundries.
NUMBERS = (
    *(f"{CATEGORIES[fault.category].serial_prefix}{fault.code}" for fault in FAULTS),
    *(f"{c.serial_prefix}{name}" for c, (name, _) in zip(CATEGORIES, _SUNDRIES, strict=True)),
)
_PRICES = np.array([*(fault.price for fault in FAULTS), *(price for _, price in _SUNDRIES)])

PART_LINE = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "technician", "cents")),
        *((name, "i2") for name in ("taken", "used", "returned")),  # tenths; -1 not known yet
        *((name, "i1") for name in ("number", "part")),
    ]
)


def parts_of(company: Company, orders: Orders) -> np.ndarray:
    """Every version (of PART_LINE) of the parts used in these orders' repairs.

    A wasteful technician changes parts that would have lasted, pours more and brings back less. A
    line is delivered on leaving; where more was taken than used, again when the rest came back or
    was written off.
    """
    asked = orders.asked
    mended = (asked["service"] == REPAIR) & (orders.resolution == FIXED)
    mended &= orders.completed < NEVER
    who = np.flatnonzero(mended)
    order, technician = asked["order"][who], orders.second_technician[who]
    waste = company.spending[technician] * company.spending[technician]
    fault, sundry = asked["fault"][who], len(FAULTS) + asked["category"][who]
    replaces = orders.needs_part[who] | (company.draw("replaces a part", order) < 0.28 * waste)
    replaces &= fault >= 0
    adds = company.draw("adds a sundry", order) < 0.45

    def lines(number: int, which: np.ndarray, part: np.ndarray) -> np.ndarray:
        rows = np.zeros(np.count_nonzero(which), PART_LINE)
        rows["order"], rows["technician"] = order[which], technician[which]
        rows["number"], rows["part"] = number, part[which]
        rows["updated"] = orders.completed[who][which]
        return rows

    rows = np.concatenate([lines(1, replaces, fault), lines(2, adds, sundry)])
    waste = np.concatenate([waste[replaces], waste[adds]])

    def draw(what: str) -> np.ndarray:
        return company.draw(f"part {what}", rows["order"], rows["number"])

    rows["updated"] += between(draw("told after"), 5, 20) * MINUTE
    rows["cents"] = _PRICES[rows["part"]] * between(draw("price"), 95, 105)
    poured = (rows["part"] >= len(FAULTS)) & (rows["part"] < len(FAULTS) + _POURED)
    pieces = np.where(
        rows["number"] == 1, pick(draw("pieces"), (94, 6)), pick(draw("bits"), (6, 3, 1))
    )
    tenths = (between(draw("amount"), 3, 10) * waste).astype(np.int64) + 1
    rows["used"] = np.where(poured, tenths, 10 + 10 * pieces)
    spare = np.where(poured, between(draw("left"), 0, 4), 10 * pick(draw("spare"), (80, 17, 3)))
    rows["taken"] = rows["used"] + spare
    rows["returned"] = np.where(spare > 0, -1, 0)

    back = np.flatnonzero(spare)
    later = rows.take(back)
    later["updated"] += between(draw("back after")[back], 1, 5) * DAY
    later["returned"] = np.where(draw("brings back")[back] * waste[back] < 0.8, spare[back], 0)
    return np.concatenate([rows, later])
