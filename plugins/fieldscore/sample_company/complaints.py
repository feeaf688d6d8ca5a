"""What customers complain about, and what becomes of it."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, pick, skewed
from fieldscore.sample_company.orders import CAUSES, Orders
from fieldscore.sample_company.people import DAY, HOUR, MINUTE, NEVER, Company
from fieldscore.sample_company.surveys import RATING_EDGES

CATEGORIES = ("technician", "product", "price", "dispatch")
TECHNICIAN, PRODUCT, PRICE, DISPATCH = range(len(CATEGORIES))

COMPLAINT = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "received", "responded", "resolved")),
        ("evidence", "i4"),  # number of a document, -1 where there is none
        *((name, "i1") for name in ("number", "category", "valid", "rating")),
    ]
)


def complaints_of(company: Company, orders: Orders, content: np.ndarray) -> np.ndarray:
    """Every version (of COMPLAINT) of the complaints about these orders.

    content: see `surveys.contentment`. Delivered when received, when answered and when settled;
    whether it is valid is known then, rarely never. One complainer in fifteen complains again.
    """
    order = orders.asked["order"]
    done = orders.completed < NEVER
    angry, unhappy = content < RATING_EDGES[1], content < RATING_EDGES[2]
    likely = np.where(angry, 0.45, np.where(unhappy, 0.12, 0.005))
    called_off = orders.cancelled < NEVER
    by_technician = called_off & (orders.cause == CAUSES.index("technician"))
    likely = np.where(done, likely, np.where(called_off, 0.15 * by_technician, 0.08))
    who = np.flatnonzero(company.draw("complains", order) < likely)
    twice = who[company.draw("complains again", order[who]) < 0.07]
    number = np.repeat([1, 2], [len(who), len(twice)])
    who = np.concatenate([who, twice])

    rows = np.zeros(len(who), COMPLAINT)
    rows["order"], rows["number"] = order[who], number

    def draw(what: str) -> np.ndarray:
        return company.draw(f"complaint {what}", rows["order"], rows["number"])

    over = np.minimum(np.minimum(orders.saved, orders.cancelled), orders.accepted + DAY)
    over = np.where(done, orders.saved, over)[who]
    after = np.minimum((20 * HOUR * skewed(draw("after"), 1.0)).astype(np.int64), 6 * DAY)
    after = np.where(draw("is late") < 0.05, between(draw("late by"), 7 * DAY, 20 * DAY), after)
    received = over + 20 * MINUTE + after + (number == 2) * DAY
    rows["received"] = received
    late = done & ~orders.later_slot & (orders.completed > orders.reported + DAY)
    about = np.where(
        late[who], pick(draw("late"), (45, 14, 9, 32)), pick(draw("about"), (6, 2, 1, 1))
    )
    about = np.where(by_technician[who], TECHNICIAN, np.where(done[who], about, DISPATCH))
    rows["category"] = about
    rows["evidence"] = np.where(draw("documented") < 0.93, rows["order"], -1)

    # Who is quick at work is quick with an answer too. NEVER: nobody bothers.
    pace = company.pace[orders.technician[who]]
    responded = received + (5 * HOUR * skewed(draw("answer"), 1.2) * pace).astype(np.int64)
    responded[draw("unanswered") < 0.03] = NEVER
    resolved = responded + (24 * HOUR * skewed(draw("settling"), 0.9) * pace).astype(np.int64)
    resolved[draw("unsettled") < 0.03] = NEVER
    settled = np.where(resolved < NEVER, resolved, received + between(draw("given up"), 4, 9) * DAY)
    settled += 10 * MINUTE
    valid = (draw("valid") < np.where(about == TECHNICIAN, 0.72, 0.6)).astype(np.int64)
    valid[draw("undecided") < 0.03] = -1
    rating = 1 + pick(draw("rating"), (7, 8, 12, 38, 35))
    rating[(resolved == NEVER) | (draw("rates") >= 0.8)] = -1

    def version(exists: np.ndarray, updated: np.ndarray, **known: np.ndarray) -> np.ndarray:
        told = rows.take(np.flatnonzero(exists))
        told["updated"] = updated[exists]
        for name in ("responded", "resolved", "valid", "rating"):
            values = known.get(name, np.full(len(rows), -1))
            told[name] = np.where(values < NEVER, values, -1)[exists]
        return told

    answered = responded < NEVER
    return np.concatenate(
        [
            version(np.ones(len(rows), bool), received),
            version(
                answered & (responded + MINUTE < settled), responded + MINUTE, responded=responded
            ),
            version(
                settled > received,
                settled,
                responded=responded,
                resolved=resolved,
                valid=valid,
                rating=rating,
            ),
        ]
    )
