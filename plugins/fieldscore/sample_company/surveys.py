"""What customers are asked and what they answer."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.chance import between, normal, pick, skewed
from fieldscore.sample_company.orders import REMOTE, SLOT, Orders
from fieldscore.sample_company.people import DAY, HOUR, MINUTE, NEVER, Company

CHANNELS = ("sms", "phone", "online")
REASONS = ("technician", "price", "product", "dispatch", "other")
COMMENTS = (
    "师傅很专业 讲解清楚",
    "准时上门 修好了",
    "Very polite, cleaned up afterwards.",
    "很满意",
    "Quick and friendly",
    "态度好 技术也不错",
    "还可以",
    "Works again, but it took a while",
    'He said "should hold"; let us see',
    "等了很久才来",
    "Too expensive, nobody told me the price before",
    "同样的毛病又来了 第二次报修",
    "Came late, left quickly, still noisy",
    "再也不买这个牌子",
)
_COMMENT_OF = ((9, 5), (9, 5), (6, 4), (3, 5), (0, 6))  # first and how many, by rating 1 to 5
RATING_EDGES = (-2.4, -1.95, -1.3, -0.2)  # contentment above which a rating is 2, 3, 4, 5
STAFF = -2  # respondent: a colleague trying the form; -1 is nobody

SURVEY = np.dtype(
    [
        *((name, "i4") for name in ("updated", "order", "respondent", "sent", "answered")),
        ("number", "i1"),  # 1, or 2 for the reminder
        *((name, "i1") for name in ("channel", "rating", "recommend", "reason", "comment")),
    ]
)


def contentment(company: Company, orders: Orders, asked_again: bool = False) -> np.ndarray:
    """How content each customer is, about 0 on average and in standard deviations of his moods.

    He is in the same mood when he answers, complains or praises, in another when asked again.
    """
    technician = orders.technician
    repaired = (orders.resolution <= REMOTE) & (orders.completed < NEVER)
    mood = normal(company.draw(f"survey rating {1 + asked_again}", orders.asked["order"]))
    return (
        0.30 * company.latent.politeness[technician]
        + 0.20 * company.latent.fix_quality[technician]
        - 0.55 * (~orders.later_slot & (orders.completed > orders.reported + DAY))
        - 0.25 * ((orders.slot_start < NEVER) & (orders.arrived > orders.slot_start + SLOT))
        - 0.9 * ~repaired
        - 0.5 * (orders.asked["parent"] >= 0)
    ) + mood


def surveys_of(company: Company, orders: Orders, content: np.ndarray) -> np.ndarray:
    """Every version (of SURVEY) of the surveys sent after the first completion of these orders.

    content: see `contentment`. A survey is delivered when sent and again when answered; a few are
    answered twice, a few orders are asked twice.
    """
    asked = orders.asked

    def draw(what: str) -> np.ndarray:
        return company.draw(f"survey {what}", asked["order"])

    def answers(number: int, content: np.ndarray) -> tuple[np.ndarray, ...]:
        """Rating and whether it is given: who is angry or delighted answers a little more often."""
        rating = 1 + sum((content > edge).astype(np.int64) for edge in RATING_EDGES)
        willing = np.array([0, 0.5, 0.45, 0.38, 0.38, 0.43])[rating]
        return rating, draw(f"answers {number}") < willing

    sent = np.where(
        draw("sent") < 0.88,
        orders.saved
        + (np.minimum(40 * skewed(draw("delay"), 1.2), 2000) * MINUTE).astype(np.int64),
        NEVER,
    )
    rating, answering = answers(1, content)
    answering &= sent < NEVER
    delay = np.minimum((5 * HOUR * skewed(draw("thinking"), 1.6)).astype(np.int64) + 20, 25 * DAY)
    delay = np.where(draw("forgets") < 0.02, between(draw("forgot"), 7 * DAY, 14 * DAY), delay)
    # Void: answered by a machine at once, answered without a rating, answered by a colleague.
    void = draw("void")
    delay = np.where(void < 0.005, between(draw("at once"), 1, 2), delay)
    answered = sent + delay
    staff = (void >= 0.005) & (void < 0.008)
    unrated = (void >= 0.008) & (void < 0.012)
    twice = answering & (draw("twice") < 0.02)
    second_rating = np.clip(rating + np.where(draw("better") < 0.5, 1, -1), 1, 5)
    reminder = np.where((sent < NEVER) & (draw("reminded") < 0.012), sent + 2 * DAY, NEVER)
    other_mood = contentment(company, orders, asked_again=True)
    reminded_rating, reminded_answers = answers(2, other_mood)
    reminded_answers &= reminder < NEVER
    reminded_answered = reminder + (6 * HOUR * skewed(draw("thinking again"), 1.2)).astype(np.int64)

    none = np.full(len(asked), -1)
    respondent = np.where(staff, STAFF, asked["customer"])
    versions = [
        (sent < NEVER, 1, sent, sent, none, none),
        (answering, 1, sent, answered, np.where(unrated, -1, rating), respondent),
        (twice, 1, sent, answered + DAY, second_rating, respondent),
        (reminder < NEVER, 2, reminder, reminder, none, none),
        (reminded_answers, 2, reminder, reminded_answered, reminded_rating, asked["customer"]),
    ]
    channel = pick(draw("channel"), (70, 10, 20))
    rows = np.concatenate(
        [_version(exists, asked["order"], channel, *version) for exists, *version in versions]
    )
    return _told(company, rows)


def _version(
    exists: np.ndarray,
    order: np.ndarray,
    channel: np.ndarray,
    number: int,
    sent: np.ndarray,
    updated: np.ndarray,
    rating: np.ndarray,
    respondent: np.ndarray,
) -> np.ndarray:
    rows = np.zeros(np.count_nonzero(exists), SURVEY)
    rows["order"], rows["number"], rows["channel"] = order[exists], number, channel[exists]
    rows["sent"], rows["updated"] = sent[exists], updated[exists]
    rows["answered"] = np.where(updated == sent, -1, updated)[exists]
    rows["rating"], rows["respondent"] = rating[exists], respondent[exists]
    return rows


def _told(company: Company, rows: np.ndarray) -> np.ndarray:
    """Add what goes with a rating: recommendation, reason and comment."""

    def draw(what: str) -> np.ndarray:
        return company.draw(f"survey {what}", rows["order"], rows["number"])

    rated = rows["rating"] >= 1
    rating = np.maximum(rows["rating"], 1) - 1
    least = np.array([0, 2, 4, 7, 8])[rating]
    recommend = least + (draw("recommend") * np.array([4, 4, 4, 3, 3])[rating]).astype(np.int64)
    rows["recommend"] = np.where(rated & (draw("recommends") < 0.9), recommend, -1)
    reason = np.where(
        rating <= 2,
        pick(draw("reason"), (46, 17, 15, 12, 10)),
        pick(draw("reason"), (70, 5, 15, 5, 5)),
    )
    given = draw("reason given") < np.where(rating <= 2, 0.85, 0.2)
    rows["reason"] = np.where(rated & given, reason, -1)
    first, many = np.array(_COMMENT_OF)[rating].T
    comment = first + (draw("comment") * many).astype(np.int64)
    rows["comment"] = np.where(rated & (draw("comments") < 0.25), comment, -1)
    return rows
