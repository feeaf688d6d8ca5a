"""Every feed's columns as text, and from which rows they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from fieldscore.sample_company import (
    complaints,
    corrections,
    expenses,
    inspections,
    orders,
    parts,
    pauses,
    recognitions,
    roster,
    surveys,
    training,
    versions,
    visits,
)
from fieldscore.sample_company.people import AREAS, HOUR, MARGIN, Company, technician_id

# A column is one or more (table, position per row); the table's last entry is empty, so that -1
# is an empty value.
Column = list[tuple[np.ndarray, np.ndarray]]


def words(*texts: str) -> np.ndarray:
    """A table of these texts, quoted as CSV where they need it."""
    quoted = (f'"{t.replace(chr(34), chr(34) * 2)}"' if set(t) & {",", '"'} else t for t in texts)
    return np.array([text.encode() for text in (*quoted, "")])


_FOUR_DIGITS = words(*(f"{n:04}" for n in range(10_000)))
_TWO_DIGITS = words(*(f"{n:02}" for n in range(100)))
_PLAIN = words(*(str(n) for n in range(10_000)))
_SUFFIXES = words(*(f"-{n}" for n in range(100)))
_TENTHS = words(*(f".{n}" for n in range(10)))


def _word(table: np.ndarray, positions: np.ndarray) -> Column:
    return [(table, positions)]


def _number(prefix: str, numbers: np.ndarray) -> Column:
    """``prefix`` and eight digits; -1 is empty."""
    return [
        (words(prefix), np.minimum(numbers, 0)),
        (_FOUR_DIGITS, np.where(numbers < 0, -1, numbers // 10_000)),
        (_FOUR_DIGITS, np.where(numbers < 0, -1, numbers % 10_000)),
    ]


def _numbered(prefix: str, numbers: np.ndarray, suffix: np.ndarray) -> Column:
    """A record's key: that of its order in other letters, and which of the order's it is."""
    return [*_number(prefix, numbers), (_SUFFIXES, suffix)]


def _tenths(numbers: np.ndarray) -> Column:
    """Tenths as a decimal number; -1 is empty."""
    return [
        (_PLAIN, np.where(numbers < 0, -1, numbers // 10)),
        (_TENTHS, np.where(numbers < 0, -1, numbers % 10)),
    ]


def _money(cents: np.ndarray) -> Column:
    """Cents as an amount; -1 is empty."""
    point = np.minimum(cents, 0)
    return [
        (_PLAIN, np.where(cents < 0, -1, cents // 100)),
        (words("."), point),
        (_TWO_DIGITS, np.where(cents < 0, -1, cents % 100)),
    ]


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    """Another number of eight digits for each, so that neighbours do not look like neighbours."""
    return np.where(
        numbers < 0, numbers, (numbers * np.int64(62_847_109) + 31_415_927) % 100_000_000
    )


@dataclass(frozen=True)
class Texts:
    """The tables that depend on the company: its technicians, and the time around its period."""

    technicians: np.ndarray
    days: np.ndarray
    hours: np.ndarray

    def moment(self, moments: np.ndarray) -> Column:
        second = np.where(moments < 0, -1, moments % HOUR)
        return [(self.hours, moments // HOUR), (_SECONDS, second)]


_SECONDS = words(*(f"{second // 60:02}:{second % 60:02}+08:00" for second in range(HOUR)))


def texts_of(company: Company) -> Texts:
    days = [str(company.start + timedelta(days=day)) for day in range(company.days + MARGIN)]
    return Texts(
        technicians=words(*(technician_id(i) for i in range(len(company.area)))),
        days=words(*days),
        hours=words(*(f"{day}T{hour:02}:" for day in days for hour in range(24))),
    )


_AREAS = words(*(area.area_id for area in AREAS))
_CATEGORIES = words(*(category.name for category in orders.CATEGORIES))
_SERIALS = words(*(category.serial_prefix for category in orders.CATEGORIES))
_SERVICES = words(*orders.SERVICES)
_FAULTS = words(*(fault.code for fault in orders.FAULTS))
_PRIORITIES = words(*orders.PRIORITIES)
_BOOLEANS = words("false", "true")
_REQUESTERS = words(*orders.REQUESTERS)
_STATUSES = words(*orders.STATUSES)
_CAUSES = words(*orders.CAUSES)
_RESOLUTIONS = words(*orders.RESOLUTIONS)
_CHANNELS = words(*surveys.CHANNELS)
_REASONS = words(*surveys.REASONS)
_COMMENTS = words(*surveys.COMMENTS)
_KINDS = words(*expenses.KINDS)
_CLAIM_STATUSES = words(*expenses.STATUSES)
_ROLES = words(*visits.ROLES)
_OUTCOMES = words(*visits.OUTCOMES)
_OWNERS = words(*pauses.OWNERS)
_WHY_PAUSED = words(*pauses.REASONS)
_COMPLAINT_CATEGORIES = words(*complaints.CATEGORIES)
_ITEMS = words(*inspections.ITEMS)
_POINTS = words(*(f"{points}" for points in inspections.POSSIBLE))
_QUARTERS = words(".00", ".25", ".50", ".75")
_PARTS = words(*parts.NUMBERS)
_RECOGNITIONS = words(*recognitions.KINDS)
_COURSES = words(*training.COURSES)
_MANAGERS = words(*(f"MANAGER-{area.area_id}" for area in AREAS))
_CORRECTED_FEEDS = words(*(feed for feed, _, _ in corrections.MATTERS))
_CORRECTED_FIELDS = words(*(field for _, field, _ in corrections.MATTERS))
_WHY_CORRECTED = words(*(reason for _, _, reason in corrections.MATTERS))
_DECISIONS = words(*corrections.DECISIONS)


def _work_orders(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    scrambled = _scrambled(rows["serial"])
    serial = [(_SERIALS, np.where(scrambled < 0, -1, rows["category"])), *_number("", scrambled)]
    return {
        "order_id": _number("WO", rows["order"]),
        "version": _word(_PLAIN, rows["version"]),
        "status": _word(_STATUSES, rows["status"]),
        "technician_id": _word(texts.technicians, rows["technician"]),
        "area_id": _word(_AREAS, rows["area"]),
        "customer_id": _number("C", _scrambled(rows["customer"])),
        "appliance_serial": serial,
        "appliance_category": _word(_CATEGORIES, rows["category"]),
        "service_type": _word(_SERVICES, rows["service"]),
        "fault_code": _word(_FAULTS, rows["fault"]),
        "priority": _word(_PRIORITIES, rows["priority"]),
        "in_warranty": _word(_BOOLEANS, rows["in_warranty"]),
        "reported_at": texts.moment(rows["reported"]),
        "assigned_at": texts.moment(rows["assigned"]),
        "accepted_at": texts.moment(rows["accepted"]),
        "slot_start": texts.moment(rows["slot_start"]),
        "slot_end": texts.moment(rows["slot_end"]),
        "slot_requested_by": _word(_REQUESTERS, rows["slot_by"]),
        "arrived_at": texts.moment(rows["arrived"]),
        "completed_at": texts.moment(rows["completed"]),
        "cancelled_at": texts.moment(rows["cancelled"]),
        "cancel_cause": _word(_CAUSES, rows["cause"]),
        "resolution": _word(_RESOLUTIONS, rows["resolution"]),
        "follow_up_of": _number("WO", rows["follow_up_of"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _surveys(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    staff = np.where(rows["respondent"] == surveys.STAFF, 0, -1)
    customer = np.maximum(rows["respondent"], -1)
    return {
        "survey_id": _numbered("S", rows["order"], rows["number"]),
        "order_id": _number("WO", rows["order"]),
        "channel": _word(_CHANNELS, rows["channel"]),
        "sent_at": texts.moment(rows["sent"]),
        "answered_at": texts.moment(rows["answered"]),
        "rating": _word(_PLAIN, rows["rating"]),
        "recommend": _word(_PLAIN, rows["recommend"]),
        "reason": _word(_REASONS, rows["reason"]),
        "respondent_id": [*_number("C", _scrambled(customer)), (words("STAFF-01"), staff)],
        "comment": _word(_COMMENTS, rows["comment"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _expenses(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    """A claim by order is E<order>-<kind>, one by trip ET-<technician>-<day>."""
    by_trip = np.where(rows["order"] < 0, 0, -1)
    by_order = -1 - by_trip
    technician = np.where(by_trip == 0, rows["technician"], -1)
    day = np.where(by_trip == 0, rows["day"], -1)
    trip = [(texts.technicians, technician), (words("-"), by_trip), (texts.days, day)]
    return {
        "expense_id": [
            *_number("E", rows["order"]),
            (_SUFFIXES, np.where(by_order == 0, rows["kind"] + 1, -1)),
            (words("ET-"), by_trip),
            *trip,
        ],
        "technician_id": _word(texts.technicians, rows["technician"]),
        "incurred_on": _word(texts.days, rows["day"]),
        "kind": _word(_KINDS, rows["kind"]),
        "amount": _money(rows["cents"]),
        "currency": _word(words("CNY"), np.zeros(len(rows), np.int64)),
        "kilometres": _tenths(rows["tenths_of_km"]),
        "status": _word(_CLAIM_STATUSES, rows["status"]),
        "order_id": _number("WO", rows["order"]),
        "trip_id": [(words("TR-"), by_trip), *trip],
        "updated_at": texts.moment(rows["updated"]),
    }


def _visits(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    assistant = np.where(rows["role"] == visits.ASSISTANT, 0, -1)
    return {
        "visit_id": [*_numbered("V", rows["order"], rows["number"]), (words("A"), assistant)],
        "order_id": _number("WO", rows["order"]),
        "technician_id": _word(texts.technicians, rows["technician"]),
        "role": _word(_ROLES, rows["role"]),
        "slot_start": texts.moment(rows["slot_start"]),
        "slot_end": texts.moment(rows["slot_end"]),
        "departed_at": texts.moment(rows["departed"]),
        "arrived_at": texts.moment(rows["arrived"]),
        "left_at": texts.moment(rows["left"]),
        "outcome": _word(_OUTCOMES, rows["outcome"]),
        "diagnosis_recorded": _word(_BOOLEANS, rows["diagnosed"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _pauses(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    return {
        "pause_id": _numbered("P", rows["order"], rows["number"]),
        "order_id": _number("WO", rows["order"]),
        "started_at": texts.moment(rows["started"]),
        "ended_at": texts.moment(rows["ended"]),
        "reason": _word(_WHY_PAUSED, rows["reason"]),
        "owner": _word(_OWNERS, rows["owner"]),
        "evidence_ref": _number("NOTE-", _scrambled(rows["evidence"])),
        "entered_at": texts.moment(rows["entered"]),
    }


def _complaints(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    return {
        "complaint_id": _numbered("K", rows["order"], rows["number"]),
        "order_id": _number("WO", rows["order"]),
        "received_at": texts.moment(rows["received"]),
        "category": _word(_COMPLAINT_CATEGORIES, rows["category"]),
        "valid": _word(_BOOLEANS, rows["valid"]),
        "responded_at": texts.moment(rows["responded"]),
        "resolved_at": texts.moment(rows["resolved"]),
        "final_rating": _word(_PLAIN, rows["rating"]),
        "evidence_ref": _number("CALL-", _scrambled(rows["evidence"])),
        "updated_at": texts.moment(rows["updated"]),
    }


def _inspections(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    quarters = rows["quarters"]
    return {
        "inspection_id": _numbered("I", rows["order"], rows["item"] + 1),
        "order_id": _number("WO", rows["order"]),
        "inspected_at": texts.moment(rows["inspected"]),
        "item": _word(_ITEMS, rows["item"]),
        "points_possible": _word(_POINTS, rows["item"]),
        "points_earned": [(_PLAIN, quarters // 4), (_QUARTERS, quarters % 4)],
        "evidence_ref": _number("PHOTO-", _scrambled(rows["evidence"])),
    }


def _parts(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    return {
        "part_line_id": _numbered("L", rows["order"], rows["number"]),
        "order_id": _number("WO", rows["order"]),
        "technician_id": _word(texts.technicians, rows["technician"]),
        "part_no": _word(_PARTS, rows["part"]),
        "quantity_taken": _tenths(rows["taken"]),
        "quantity_used": _tenths(rows["used"]),
        "quantity_returned": _tenths(rows["returned"]),
        "unit_cost": _money(rows["cents"]),
        "updated_at": texts.moment(rows["updated"]),
    }


def _recognitions(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    return {
        "recognition_id": _numbered("R", rows["recognised"], rows["number"]),
        "technician_id": _word(texts.technicians, rows["technician"]),
        "order_id": _number("WO", rows["order"]),
        "customer_id": _number("C", _scrambled(rows["customer"])),
        "kind": _word(_RECOGNITIONS, rows["kind"]),
        "occurred_on": _word(texts.days, rows["day"]),
        "evidence_ref": _number("LETTER-", _scrambled(rows["evidence"])),
        "approved_by": _word(_MANAGERS, rows["approver"]),
    }


def _training(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    always = np.zeros(len(rows), np.int64)
    technician = (texts.technicians, rows["technician"])
    return {
        "training_id": [
            (words("TN-"), always),
            (texts.days, rows["day"]),
            (words("-"), always),
            technician,
        ],
        "technician_id": [technician],
        "course": _word(_COURSES, rows["course"]),
        "held_on": _word(texts.days, rows["day"]),
        "attended": _word(_BOOLEANS, rows["attended"]),
        "score_before": _tenths(rows["before"]),
        "score_after": _tenths(rows["after"]),
    }


def _roster(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    return {
        "technician_id": _word(texts.technicians, rows["technician"]),
        "work_date": _word(texts.days, rows["day"]),
        "available_minutes": _word(_PLAIN, rows["minutes"]),
    }


def _corrections(texts: Texts, rows: np.ndarray) -> dict[str, Column]:
    """The key is Q<order>-<matter><kind of the claim>."""
    matter, order, value = rows["matter"], rows["order"], rows["value"]

    def when(*matters: int, of: np.ndarray = value) -> np.ndarray:
        return np.where(np.isin(matter, matters), of, -1)

    claim, answer = when(corrections.AMOUNT, of=order), when(corrections.REASON, of=order)
    return {
        "correction_id": _numbered("Q", order, 10 * matter + rows["kind"] + 10),
        "target_feed": _word(_CORRECTED_FEEDS, matter),
        "target_key": [
            *_number("WO", when(*range(corrections.REASON), of=order)),
            *_numbered("S", answer, np.minimum(answer, 1)),
            *_numbered("E", claim, np.minimum(claim, rows["kind"] + 1)),
        ],
        "field": _word(_CORRECTED_FIELDS, matter),
        "new_value": [
            (_FAULTS, when(corrections.FAULT)),
            (_RESOLUTIONS, when(corrections.RESOLUTION)),
            (texts.technicians, when(corrections.TECHNICIAN)),
            *texts.moment(when(corrections.COMPLETED)),
            (_REASONS, when(corrections.REASON)),
            *_money(when(corrections.AMOUNT)),
        ],
        "reason": _word(_WHY_CORRECTED, matter),
        "evidence_ref": _number("FORM-", _scrambled(rows["evidence"])),
        "requested_by": _word(texts.technicians, rows["technician"]),
        "decided_by": _word(_MANAGERS, np.where(rows["decided"] < 0, -1, rows["area"])),
        "decided_at": texts.moment(rows["decided"]),
        "decision": _word(_DECISIONS, rows["decision"]),
    }


@dataclass(frozen=True)
class Feed:
    """rows: of which kind; columns: their text; ended: which of them are good models of a row with
    something to say (a completed order, a rating, an approved claim); once: a business date's rows
    without copies."""

    rows: np.dtype
    columns: Callable[[Texts, np.ndarray], dict[str, Column]]
    ended: Callable[[np.ndarray], np.ndarray]
    once: Callable[[np.ndarray], np.ndarray] = lambda rows: rows


FEEDS = {
    "work_orders": Feed(versions.VERSION, _work_orders, lambda rows: rows["completed"] >= 0),
    "surveys": Feed(surveys.SURVEY, _surveys, lambda rows: rows["rating"] >= 1),
    "expenses": Feed(
        expenses.EXPENSE,
        _expenses,
        lambda rows: rows["status"] == expenses.APPROVED,
        expenses.one_of_each_trip,
    ),
    "visits": Feed(visits.VISIT, _visits, lambda rows: rows["left"] >= 0),
    "pauses": Feed(pauses.PAUSE, _pauses, lambda rows: rows["ended"] >= 0),
    "complaints": Feed(complaints.COMPLAINT, _complaints, lambda rows: rows["resolved"] >= 0),
    "inspections": Feed(inspections.INSPECTION, _inspections, lambda rows: rows["inspected"] >= 0),
    "parts": Feed(parts.PART_LINE, _parts, lambda rows: rows["returned"] >= 0),
    "recognitions": Feed(
        recognitions.RECOGNITION, _recognitions, lambda rows: rows["approver"] >= 0
    ),
    "training": Feed(training.TRAINING, _training, lambda rows: rows["after"] >= 0),
    "roster": Feed(roster.ROSTER, _roster, lambda rows: rows["minutes"] > 0),
    "corrections": Feed(corrections.CORRECTION, _corrections, lambda rows: rows["decided"] >= 0),
}
