"""The table of eligibility: every record that a KPI judges, counted or not and why (2.9).

One function per KPI or family of KPIs; each is the handbook's sentence about it, with the case
table beside it. Nothing is divided here: records say numerator and denominator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from reference import clocks
from reference.deliveries import Row
from reference.exact import held
from reference.orders import (
    AFTER_DEPARTURE_BY_TECHNICIAN,
    AFTER_DEPARTURE_EXCUSED,
    BEFORE_DEPARTURE_BY_TECHNICIAN,
    BEFORE_DEPARTURE_EXCUSED,
    CAUSE_UNKNOWN,
    DUPLICATE_OR_TEST,
    NOT_TO_BE_FIXED,
    NOTHING_TO_FIX,
    Company,
    Order,
)


@dataclass(frozen=True)
class Kpi:
    """A row of the handbook's section 3.

    measure: rate, mean, index, volume, count or median; feed: without which it is not available.
    """

    code: str
    family: str | None
    is_up: bool
    measure: str
    feed: str
    is_adjusted: bool = False


KPIS = {
    kpi.code: kpi
    for kpi in (
        Kpi("csat_top2", "quality", True, "rate", "surveys", True),
        Kpi("first_time_fix", "quality", True, "rate", "work_orders", True),
        Kpi("inspection", "quality", True, "rate", "inspections", True),
        Kpi("complaint_rate", "quality", False, "rate", "complaints", True),
        Kpi("complaint_handling", "quality", True, "mean", "complaints"),
        Kpi("on_time_24h", "workload", True, "rate", "work_orders", True),
        Kpi("completion", "workload", True, "rate", "work_orders", True),
        Kpi("workload_points", "workload", True, "volume", "work_orders"),
        Kpi("duration_index", "workload", False, "index", "work_orders"),
        Kpi("response_time", "workload", False, "mean", "work_orders"),
        Kpi("parts_cost_index", "cost", False, "index", "parts"),
        Kpi("travel_cost_index", "cost", False, "index", "expenses"),
        Kpi("csat_mean", None, True, "mean", "surveys"),
        Kpi("nps", None, True, "mean", "surveys"),
        Kpi("survey_response_rate", None, True, "rate", "surveys"),
        Kpi("survey_sent_in_24h", None, True, "rate", "surveys"),
        Kpi("first_time_fix_strict", None, True, "rate", "work_orders"),
        Kpi("repair_success", None, True, "rate", "work_orders"),
        Kpi("repeat_repair_7d", None, False, "rate", "work_orders"),
        Kpi("repeat_repair_30d", None, False, "rate", "work_orders"),
        Kpi("on_time_24h_gross", None, True, "rate", "work_orders"),
        Kpi("on_time_arrival", None, True, "rate", "work_orders"),
        Kpi("jobs", None, True, "count", "work_orders"),
        Kpi("mttr_mean", None, False, "mean", "work_orders"),
        Kpi("mttr_median", None, False, "median", "work_orders"),
        Kpi("minor_faults", None, False, "rate", "complaints"),
        Kpi("utilisation", None, True, "index", "work_orders"),
        Kpi("parts_return_rate", None, True, "index", "parts"),
    )
}

# An order that is not completed yet counts here in n_immature, on the day of its report. The other
# KPIs of completed orders have no record of it.
OPEN_ORDERS_WAIT = {"first_time_fix", "first_time_fix_strict"}

ONE = Decimal(1)
ZERO = Decimal(0)


@dataclass
class Record:
    """One record of one KPI.

    reason: why it is not eligible, None where it is; matured_at: from when time alone can no longer
    change it, None while nobody can say; business_date: None where it belongs to no day;
    failure: what an eligible one failed by; whole: an order's amount before it was shared, of which
    benchmarks are made; share: whose part of it the record is.
    """

    kpi: str
    key: str
    order_id: str | None
    technician_id: str | None
    anchored_at: datetime | None
    business_date: date | None
    stratum: str | None = None
    numerator: Decimal = ZERO
    denominator: Decimal = ONE
    reason: str | None = None
    matured_at: datetime | None = None
    failure: str | None = None
    whole: Decimal = ZERO
    share: Decimal = ONE
    is_day: bool = False

    @property
    def is_eligible(self) -> bool:
        return self.reason is None


def all_records(company: Company) -> list[Record]:
    """Every record of every KPI whose feed is available."""
    found: list[Record] = []
    for order in company.orders.values():
        for judged in (
            _on_time,
            _completion,
            _response_time,
            _on_time_arrival,
            _first_time_fix,
            _repeats,
            _mttr,
            _work,
            _parts_cost,
            _survey_sent,
            _complaints,
        ):
            found += judged(company, order)
    found += _surveys(company)
    found += _inspections(company)
    found += _parts_returned(company)
    found += _travel(company)
    found += _available_days(company)
    starts = company.deliveries.starts
    available = [record for record in found if KPIS[record.kpi].feed in starts]
    for record in available:
        if not record.is_eligible:
            continue
        if record.technician_id is None:
            record.reason = "technician_unknown"
        elif record.business_date < starts[KPIS[record.kpi].feed]:
            record.reason = "before_feed_start"
    return available


def _of(kpi: str, order: Order, technician: str | None, anchor: datetime | None, **said) -> Record:
    """A record of an order, unless said otherwise named by it."""
    return Record(
        kpi=kpi,
        key=said.pop("key", order.order_id),
        order_id=order.order_id,
        technician_id=technician,
        anchored_at=anchor,
        business_date=anchor and order.business_date(anchor),
        stratum=said.pop("stratum", order.stratum),
        **said,
    )


def _not_completed(kpi: str, order: Order) -> Iterator[Record]:
    """The record of an order that has no completion to count for: why, or that it waits for one."""
    if order.is_completion_unknown:
        reason = "completion_time_unknown"
    elif order.is_cancelled:
        reason = order.cancelled_case
    elif kpi in OPEN_ORDERS_WAIT:
        reason = None
    else:
        return
    yield _of(kpi, order, order.accountable, order.reported_at, reason=reason)


# --- on time, completion, response, arrival ------------------------------------------------------

# The rows of the case table with a dash; a cancellation after departure by the technician breaches.
NO_BREACH = {
    BEFORE_DEPARTURE_EXCUSED,
    BEFORE_DEPARTURE_BY_TECHNICIAN,
    AFTER_DEPARTURE_EXCUSED,
    CAUSE_UNKNOWN,
}


def _on_time(company: Company, order: Order) -> Iterator[Record]:
    gross_due = order.due_at(order.hours("on_time"), [])
    for kpi, due in (("on_time_24h", order.on_time_due_at), ("on_time_24h_gross", gross_due)):
        done = order.first_completed_at
        decided_at = min(due, done) if done else due
        record = _of(kpi, order, order.holder(decided_at), due, matured_at=decided_at)
        if order.cancelled_case == DUPLICATE_OR_TEST:
            record.reason = DUPLICATE_OR_TEST
        elif order.is_completion_unknown:
            record.reason = "completion_time_unknown"
        elif done and done < order.reported_at:
            record.reason = "completed_before_report"
        elif done:
            record.failure = "completed_late" if done > due else None
            if order.service_type not in (None, "repair") and order.is_reopened_soon:
                record.failure = "reopened"
        elif order.is_cancelled and order.cancelled_at <= due and order.cancelled_case in NO_BREACH:
            record.reason = order.cancelled_case
        else:
            record.failure = "open_past_due"
        record.numerator = ZERO if record.failure else ONE
        yield record


def _completion(company: Company, order: Order) -> Iterator[Record]:
    old = order.due_at(order.days("completion"), order.excused_pauses)
    done = order.first_completed_at
    # An order is one of those "so old" at its anchor, however early it was done.
    record = _of("completion", order, order.holder(old), old, matured_at=old)
    cancelled_in_time = order.is_cancelled and order.cancelled_at <= old
    if order.cancelled_case == DUPLICATE_OR_TEST:
        record.reason = DUPLICATE_OR_TEST
    elif order.is_completion_unknown:
        record.reason = "completion_time_unknown"
    elif done and done <= old:
        record.numerator = ONE
    elif cancelled_in_time and order.cancelled_case in (
        BEFORE_DEPARTURE_EXCUSED,
        AFTER_DEPARTURE_EXCUSED,
        CAUSE_UNKNOWN,
    ):
        record.reason = order.cancelled_case
    else:
        record.failure = "not_completed"
    yield record


def _response_time(company: Company, order: Order) -> Iterator[Record]:
    answers = [order.now["accepted_at"], _first_arrival(company, order)]
    accepted_at = next((moment for moment in answers if company.has_happened(moment)), None)
    calendar = company.calendar_of(order.now["area_id"])
    if accepted_at is None:
        # Nobody has accepted it yet: it waits with him who holds it now.
        record = _of("response_time", order, order.now["technician_id"], order.reported_at)
        if order.cancelled_case == DUPLICATE_OR_TEST:
            record.reason = DUPLICATE_OR_TEST
        elif order.is_cancelled or order.first:
            record.reason = "acceptance_unknown"
        yield record
        return
    record = _of(
        "response_time", order, order.holder(accepted_at), accepted_at, matured_at=accepted_at
    )
    if order.cancelled_case == DUPLICATE_OR_TEST:
        record.reason = DUPLICATE_OR_TEST
    elif accepted_at < order.reported_at:
        record.reason = "accepted_before_report"
    elif not company.calendars.knows(calendar):
        record.reason = "calendar_unknown"
    else:
        work = company.calendars.working_spans(calendar, order.zone, order.reported_at, accepted_at)
        net = clocks.length(work) - clocks.common(work, order.excused_pauses)
        record.numerator = clocks.minutes(net)
    yield record


def _first_arrival(company: Company, order: Order) -> datetime | None:
    moments = [row["arrived_at"] for row in order.visit_rows if row["role"] == "lead"]
    moments.append(order.now["arrived_at"])
    return min((moment for moment in moments if company.has_happened(moment)), default=None)


def _on_time_arrival(company: Company, order: Order) -> Iterator[Record]:
    end = order.customer_slot_end
    if end is None:
        return
    arrived_at = _first_arrival(company, order)
    decided_at = min(end, arrived_at) if arrived_at else end
    record = _of("on_time_arrival", order, order.holder(decided_at), end, matured_at=decided_at)
    was_cancelled = order.is_cancelled and order.cancelled_at <= end
    if order.cancelled_case == DUPLICATE_OR_TEST:
        record.reason = DUPLICATE_OR_TEST
    elif was_cancelled and order.cancelled_case in NO_BREACH:
        record.reason = order.cancelled_case
    elif arrived_at:
        record.failure = "arrived_late" if arrived_at > end else None
    elif order.first:
        is_remote = order.first.version["resolution"] == "remote_fix"
        record.reason = "remote_fix" if is_remote else "arrival_unknown"
    else:
        record.failure = "not_arrived"
    record.numerator = ZERO if record.failure else ONE
    yield record


# --- fixed, and coming back ----------------------------------------------------------------------


def _first_time_fix(company: Company, order: Order) -> Iterator[Record]:
    is_further = len(order.visits_for_first_time_fix) > 1
    is_unexcused = is_further and not order.is_further_visit_excused
    for kpi, fails_by_visit in (
        ("first_time_fix", is_unexcused),
        ("first_time_fix_strict", is_further),
    ):
        reason = None
        if order.cancelled_case == DUPLICATE_OR_TEST:
            reason = DUPLICATE_OR_TEST
        elif order.service_type is None:
            reason = "service_type_unknown"
        elif order.service_type != "repair":
            reason = "service_without_first_time_fix"
        elif order.is_follow_up_visit:
            reason = "follow_up_visit"
        elif not order.is_appliance_known:
            reason = "appliance_unknown"
        if order.first_completed_at is None:
            for record in _not_completed(kpi, order):
                record.reason = record.reason or reason
                yield record
            continue
        resolution = order.first.version["resolution"]
        came_back = order.came_back("repeat")
        if reason is None:
            if resolution is None:
                reason = "resolution_unknown"
            elif resolution in NOT_TO_BE_FIXED:
                reason = "irreparable_or_quote_refused"
            elif resolution in NOTHING_TO_FIX and not came_back:
                reason = "nothing_to_fix"
        visits = order.visits_for_first_time_fix
        technician = visits[0].technician_id if is_unexcused else order.accountable
        failure = None
        if came_back:
            failure = "reopened" if order.is_reopened_soon else "repeated"
        elif fails_by_visit:
            failure = "further_visit"
        yield _of(
            kpi,
            order,
            technician,
            order.first_completed_at,
            reason=reason,
            failure=failure,
            numerator=ZERO if failure else ONE,
            matured_at=order.first_completed_at + order.days("repeat"),
        )


def _repeats(company: Company, order: Order) -> Iterator[Record]:
    """repair_success and the two repeat rates; in these a repeat is the numerator."""
    for kpi, limit in (
        ("repair_success", "repeat"),
        ("repeat_repair_7d", "repeat"),
        ("repeat_repair_30d", "repeat_long"),
    ):
        reason = None
        if order.cancelled_case == DUPLICATE_OR_TEST:
            reason = DUPLICATE_OR_TEST
        elif order.service_type is None:
            reason = "service_type_unknown"
        elif kpi == "repair_success" and order.service_type != "repair":
            reason = "service_without_first_time_fix"
        elif order.is_follow_up_visit:
            reason = "follow_up_visit"
        elif not order.is_appliance_known:
            reason = "appliance_unknown"
        if order.first_completed_at is None:
            for record in _not_completed(kpi, order):
                record.reason = record.reason or reason
                yield record
            continue
        resolution = order.first.version["resolution"]
        if reason is None:
            if resolution is None and order.service_type == "repair":
                reason = "resolution_unknown"
            elif resolution in NOT_TO_BE_FIXED:
                reason = "irreparable_or_quote_refused"
        came_back = order.came_back(limit)
        counts = came_back != (kpi == "repair_success")
        yield _of(
            kpi,
            order,
            order.accountable,
            order.first_completed_at,
            reason=reason,
            failure="repeated" if came_back else None,
            numerator=ONE if counts else ZERO,
            matured_at=order.first_completed_at + order.days(limit),
        )


def _mttr(company: Company, order: Order) -> Iterator[Record]:
    for kpi in ("mttr_mean", "mttr_median"):
        reason = None
        if order.cancelled_case == DUPLICATE_OR_TEST:
            reason = DUPLICATE_OR_TEST
        elif order.service_type != "repair":
            reason = "service_type_unknown" if order.service_type is None else "not_a_repair"
        done = order.first_completed_at
        if done is None:
            for record in _not_completed(kpi, order):
                record.reason = record.reason or reason
                yield record
            continue
        if order.first.version["resolution"] in NOT_TO_BE_FIXED:
            reason = reason or "irreparable_or_quote_refused"
        elif done < order.reported_at:
            reason = reason or "completed_before_report"
        record = _of(kpi, order, order.accountable, done, reason=reason, matured_at=done)
        if reason is None:
            net = clocks.net(order.reported_at, done, order.excused_pauses)
            record.numerator = clocks.minutes(net)
        yield record


# --- volume, duration, parts: by credit shares ---------------------------------------------------


def _work(company: Company, order: Order) -> Iterator[Record]:
    """workload_points, jobs, duration_index and utilisation of an order's sharers."""
    if order.cancelled_case == DUPLICATE_OR_TEST or order.final is None:
        yield from _work_not_done(order)
        return
    done = order.final.completed_at
    points, minutes = order.standard(order.final.version)
    on_site = order.on_site_minutes(done)
    is_remote = order.final.version["resolution"] == "remote_fix"
    lost = None
    if order.service_type == "repair" and order.came_back("repeat"):
        lost = "reopened" if order.is_reopened_soon else "repeated"
    charged = None
    if order.repeats and order.repeats.within("repeat"):
        charged = order.repeats.earlier.accountable
    no_standard = "standard_unknown"
    no_duration = "remote_fix" if is_remote else "duration_unknown" if on_site is None else None
    for who, share in (order.shares(done) or {None: ONE}).items():
        failure = lost or ("own_repeat" if who is not None and who == charged else None)
        said = {"key": f"{order.order_id}/{who}", "matured_at": done, "share": share}
        yield _of(
            "workload_points",
            order,
            who,
            done,
            reason=no_standard if points is None else None,
            failure=failure,
            numerator=ZERO if failure else held(share * (points or 0), 6),
            denominator=ZERO,
            **said,
        )
        yield _of(
            "jobs",
            order,
            who,
            done,
            numerator=share,
            denominator=share,
            **said,
        )
        # How the stratum's percentiles hold an order's minutes is known when there are benchmarks.
        yield _of(
            "duration_index",
            order,
            who,
            done,
            reason=no_duration or (no_standard if not minutes else None),
            whole=on_site or ZERO,
            denominator=held(share * (minutes or 0), 6),
            **said,
        )
        yield _of(
            "utilisation",
            order,
            who,
            done,
            reason=no_duration,
            numerator=held(share * (on_site or 0), 6),
            denominator=ZERO,
            **said,
        )


def _work_not_done(order: Order) -> Iterator[Record]:
    for kpi in ("workload_points", "jobs", "duration_index", "utilisation"):
        if kpi == "workload_points" and order.cancelled_case == AFTER_DEPARTURE_EXCUSED:
            flat = order.limit("cancelled_visit_points")
            for who, share in (order.shares(order.cancelled_at) or {None: ONE}).items():
                yield _of(
                    kpi,
                    order,
                    who,
                    order.cancelled_at,
                    key=f"{order.order_id}/{who}",
                    matured_at=order.cancelled_at,
                    numerator=held(share * flat, 6),
                    denominator=ZERO,
                    share=share,
                )
        else:
            yield from _not_completed(kpi, order)


def _parts_cost(company: Company, order: Order) -> Iterator[Record]:
    """The order's lines, shared. What they are held against is known when there are benchmarks."""
    kpi = "parts_cost_index"
    cost, added = ZERO, ZERO
    for line in company.parts.get(order.order_id, []):
        amount = line["quantity_used"] * line["unit_cost"]
        if order.is_added_cost(_entered_on(company, order, line)):
            added += amount
        else:
            cost += amount
    if order.cancelled_case == AFTER_DEPARTURE_BY_TECHNICIAN and order.final is None:
        ended_at = order.cancelled_at
    elif order.cancelled_case == DUPLICATE_OR_TEST or order.final is None:
        yield from _not_completed(kpi, order)
        return
    else:
        ended_at = order.final.completed_at
    for who, share in (order.shares(ended_at) or {None: ONE}).items():
        yield _of(
            kpi,
            order,
            who,
            ended_at,
            key=f"{order.order_id}/{who}",
            matured_at=ended_at,
            numerator=held(share * cost, 6),
            whole=cost,
            share=share,
        )
    if added and order.added:
        again = order.added.completed_at
        for who, share in (order.shares(again, after=ended_at) or {None: ONE}).items():
            yield _of(
                kpi,
                order,
                who,
                again,
                key=f"{order.order_id}/{who}/added",
                matured_at=again,
                numerator=held(share * added, 6),
                share=ZERO,
            )


def _entered_on(company: Company, order: Order, line: Row) -> date:
    first = company.deliveries.versions["parts"][(line["part_line_id"],)][0]
    return order.business_date(first["updated_at"])


def _parts_returned(company: Company) -> Iterator[Record]:
    for line in company.deliveries.newest("parts"):
        kpi, key, who = "parts_return_rate", line["part_line_id"], line["technician_id"]
        order = company.orders.get(line["order_id"])
        if order is None:
            yield Record(kpi, key, None, who, None, None, reason="order_unknown")
            continue
        ended_at, reason = _end_for_cost(order)
        matured_at = ended_at
        if reason == "order_still_open":
            ended_at, reason, matured_at = line["updated_at"], None, None
        left = line["quantity_taken"] - line["quantity_used"]
        if reason is None and left <= 0:
            reason = "nothing_left"
        elif reason is None and line["quantity_returned"] is None:
            reason = "return_unknown"
        yield _of(
            kpi,
            order,
            who,
            ended_at,
            key=key,
            reason=reason,
            matured_at=matured_at,
            numerator=line["quantity_returned"] or ZERO,
            denominator=max(left, ZERO),
        )


def _end_for_cost(order: Order) -> tuple[datetime, str | None]:
    """When an order's cost counts and, if it does not, why: final completion or cancellation."""
    if order.cancelled_case == DUPLICATE_OR_TEST:
        return order.cancelled_at, DUPLICATE_OR_TEST
    if order.final:
        return order.final.completed_at, None
    if order.is_completion_unknown:
        return order.reported_at, "completion_time_unknown"
    if order.is_cancelled:
        has_cost = order.cancelled_case == AFTER_DEPARTURE_BY_TECHNICIAN
        return order.cancelled_at, None if has_cost else order.cancelled_case
    return order.reported_at, "order_still_open"


def _available_days(company: Company) -> Iterator[Record]:
    """A technician's day as a part of the month's standard, and as minutes."""
    deliveries, policy = company.deliveries, company.policy
    start = deliveries.starts.get("work_orders")
    if start is None:
        return
    roster = {
        (row["technician_id"], row["work_date"]): row["available_minutes"]
        for row in deliveries.newest("roster")
    }
    for who in sorted(_technicians(company)):
        record = deliveries.versions["technicians"].get((who,), [{}])[-1]
        hired_on = record.get("hired_on") or start
        left_on = record.get("left_on") or date.max
        day = max(start, hired_on)
        while day <= left_on:
            # In whose zone the day ends is known from the area; whose area, from about that time.
            about = company.technician_then(who, clocks.midnight(day + clocks.DAY, company.zone))
            zone = company.zone_of(about and about["area_id"])
            day_ends = clocks.midnight(day + clocks.DAY, zone)
            if day_ends > company.as_of:
                break
            then = company.technician_then(who, day_ends) or {}
            full_day = policy.limit("full_day", day)
            if deliveries.counts("roster", day):
                minutes = Decimal(roster.get((who, day), 0))
            else:
                calendar = company.calendar_of(then.get("area_id"))
                minutes = full_day if company.calendars.hours(calendar, day) else ZERO
            if minutes:
                standard = policy.workload_standard(then.get("grade"), day)
                part = Fraction(minutes) / Fraction(full_day * policy.limit("month_days", day))
                for kpi, denominator in (
                    ("workload_points", standard and held(part * Fraction(standard), 6)),
                    ("utilisation", minutes),
                ):
                    yield Record(
                        kpi,
                        f"{who}/{day}",
                        None,
                        who,
                        clocks.midnight(day, zone),
                        day,
                        reason="standard_unknown" if denominator is None else None,
                        matured_at=day_ends,
                        denominator=denominator or ZERO,
                        is_day=True,
                    )
            day += clocks.DAY


def _technicians(company: Company) -> set[str]:
    """Those of the technicians feed, and those whom the others name."""
    named = {row["technician_id"] for row in company.deliveries.newest("technicians")}
    for order in company.orders.values():
        named |= {version["technician_id"] for version in order.versions}
        named |= {row["technician_id"] for row in order.visit_rows}
    named |= {row["technician_id"] for row in company.deliveries.newest("expenses")}
    return {who for who in named if who}


# --- surveys -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a survey was answered at one moment, as last corrected."""

    survey_id: str
    answered_at: datetime
    row: Row
    void: str | None


def _surveys(company: Company) -> Iterator[Record]:
    by_order = defaultdict(list)
    for versions in company.deliveries.versions["surveys"].values():
        by_order[versions[-1]["order_id"]].append(versions)
    for order_id, surveys in by_order.items():
        order = company.orders.get(order_id)
        if order is None:
            for versions in surveys:
                for kpi in ("csat_top2", "csat_mean", "nps"):
                    yield Record(
                        kpi, versions[0]["survey_id"], None, None, None, None,
                        reason="order_unknown",
                    )  # fmt: skip
        else:
            yield from _surveys_of(company, order, surveys)


def _surveys_of(company: Company, order: Order, surveys: list[list[Row]]) -> Iterator[Record]:
    anchor = order.quality_anchor
    reason = None
    if (order.first is None and order.is_cancelled) or order.cancelled_case == DUPLICATE_OR_TEST:
        reason = order.cancelled_case
    elif anchor is None:
        reason = "completion_time_unknown"
    anchor = anchor or order.reported_at
    closes_at = _window_end(order, anchor, min(versions[-1]["sent_at"] for versions in surveys))
    answers = {versions[0]["survey_id"]: _answers(company, order, versions) for versions in surveys}
    valid = [
        answer
        for given in answers.values()
        for answer in given
        if answer.void is None and answer.answered_at <= closes_at
    ]
    counting = max(valid, key=lambda a: (a.answered_at, a.survey_id.encode()), default=None)
    is_over = company.has_happened(closes_at)

    yield _of(
        "survey_response_rate",
        order,
        order.accountable,
        anchor,
        reason=reason,
        numerator=ONE if counting else ZERO,
        matured_at=min(answer.answered_at for answer in valid) if valid else closes_at,
        failure=None if counting else "not_answered",
    )
    for survey_id, given in answers.items():
        said = {"key": survey_id, "reason": reason}
        if counting and counting.survey_id == survey_id:
            said["matured_at"] = counting.answered_at
            if not company.policy.is_technicians_doing(
                counting.row["reason"], order.business_date(counting.answered_at)
            ):
                said["reason"] = reason or "not_technicians_doing"
        elif any(answer.void is None and answer.answered_at <= closes_at for answer in given):
            said["reason"] = reason or "superseded_answer"
        elif given:
            said["reason"] = reason or given[-1].void or "answered_late"
        elif is_over:
            said["reason"] = reason or "not_answered"
        yield from _ratings(order, anchor, counting, said)


def _ratings(order: Order, anchor: datetime, counting: Answer | None, said: dict):
    """The three KPIs that look at an answer; one that is still awaited is immature in each."""
    is_counting = counting is not None and said["key"] == counting.survey_id
    rating = counting.row["rating"] if is_counting else 0
    is_top = rating >= order.limit("top_box")
    failure = None if is_top else f"rated_{rating}"
    numerator = ONE if is_top else ZERO
    technician = order.accountable
    yield _of("csat_top2", order, technician, anchor, numerator=numerator, failure=failure, **said)
    yield _of("csat_mean", order, technician, anchor, numerator=Decimal(rating), **said)
    recommend = counting.row["recommend"] if is_counting else None
    if is_counting and recommend is None:
        said = {**said, "reason": said["reason"] or "no_recommendation"}
    score = ZERO if recommend in (None, 7, 8) else ONE if recommend > 8 else -ONE
    yield _of("nps", order, technician, anchor, numerator=score, **said)


def _window_end(order: Order, anchor: datetime, first_sent_at: datetime) -> datetime:
    """Until when an answer counts: 7 days after the first sending, 8 days after month end."""
    month = clocks.month_of(order.business_date(anchor))
    close = timedelta(days=int(order.limit("survey_close")))
    month_closes = clocks.midnight(clocks.months_later(month, 1) + close, order.zone)
    return min(first_sent_at + order.days("survey_window"), month_closes)


def _answers(company: Company, order: Order, versions: list[Row]) -> list[Answer]:
    """A survey's answers. The same answered_at again corrects one, another is another answer."""
    said = {}
    for row in versions:
        if company.has_happened(row["answered_at"]):
            said[row["answered_at"]] = row
    too_fast = timedelta(seconds=float(order.limit("survey_too_fast")))
    answers = []
    for answered_at, row in sorted(said.items(), key=lambda item: item[0]):
        staff = company.policy.staff(order.business_date(answered_at))
        void = None
        if row["rating"] is None:
            void = "no_rating"
        elif answered_at - row["sent_at"] < too_fast:
            void = "answered_too_fast"
        elif row["respondent_id"] in staff:
            void = "staff_respondent"
        answers.append(Answer(row["survey_id"], answered_at, row, void))
    return answers


def _survey_sent(company: Company, order: Order) -> Iterator[Record]:
    done = order.first_completed_at
    if order.first is None:
        return
    record = _of("survey_sent_in_24h", order, order.accountable, done or order.reported_at)
    if order.cancelled_case == DUPLICATE_OR_TEST:
        record.reason = DUPLICATE_OR_TEST
    elif done is None:
        record.reason = "completion_time_unknown"
    else:
        sent_at = company.first_sent.get(order.order_id)
        until = done + order.hours("survey_sent")
        is_sent = sent_at is not None and sent_at <= until
        record.numerator = ONE if is_sent else ZERO
        record.failure = None if is_sent else "not_sent_in_time"
        record.matured_at = min(sent_at, until) if is_sent else until
    yield record


# --- complaints ----------------------------------------------------------------------------------


def _complaints(company: Company, order: Order) -> Iterator[Record]:
    """complaint_rate and minor_faults of the order, complaint_handling of each complaint."""
    anchor = order.quality_anchor
    told = [
        row
        for row in company.complaints.get(order.order_id, [])
        if company.has_happened(row["received_at"])
    ]
    reasons = {row["complaint_id"]: _why_it_does_not_count(order, anchor, row) for row in told}
    counting = [row for row in told if reasons[row["complaint_id"]] is None]
    undecided = [row for row in told if reasons[row["complaint_id"]] == "undecided"]
    resolution = order.hours("complaint_resolution")

    if order.first or counting:
        said = {}
        if order.cancelled_case == DUPLICATE_OR_TEST:
            said["reason"] = DUPLICATE_OR_TEST
        elif anchor is None:
            said["reason"] = "completion_time_unknown"
        elif not undecided:
            limits = [row["received_at"] + resolution for row in counting]
            said["matured_at"] = max([anchor + order.days("complaint_window"), *limits])
        worst = max((_weight(order, row) for row in counting), default=ZERO)
        is_minor = any(_nobody_came_again(order, row["received_at"]) for row in counting)
        day = anchor or order.reported_at
        for kpi, numerator in (
            ("complaint_rate", worst),
            ("minor_faults", ONE if is_minor else ZERO),
        ):
            failure = "complaint" if numerator else None
            yield _of(
                kpi, order, order.accountable, day, numerator=numerator, failure=failure, **said
            )
    for row in told:
        reason = reasons[row["complaint_id"]]
        record = _of(
            "complaint_handling",
            order,
            order.accountable,
            anchor or order.reported_at,
            key=row["complaint_id"],
            numerator=_handling(order, row),
            matured_at=row["received_at"] + resolution,
            reason=reason,
        )
        if order.cancelled_case == DUPLICATE_OR_TEST:
            record.reason = DUPLICATE_OR_TEST
        elif reason == "undecided":
            # Whether it will be a valid one, nobody can say yet.
            record.reason, record.matured_at = None, None
        yield record


def _why_it_does_not_count(order: Order, anchor: datetime | None, row: Row) -> str | None:
    if anchor is None:
        return "completion_time_unknown"
    if row["category"] not in (None, "technician"):
        return "not_technicians_doing"
    if not row["evidence_ref"]:
        return "no_evidence"
    if row["received_at"] > anchor + order.days("complaint_window"):
        return "received_late"
    if row["valid"] is False:
        return "not_valid"
    if row["valid"] is None:
        return "undecided"
    return "category_unknown" if row["category"] is None else None


def _in_limit(order: Order, row: Row, what: str, limit: str) -> bool:
    return row[what] is not None and row[what] - row["received_at"] <= order.hours(limit)


def _is_satisfied(order: Order, row: Row) -> bool:
    rating = row["final_rating"]
    return rating is not None and rating >= order.limit("complaint_final_rating")


def _weight(order: Order, row: Row) -> Decimal:
    """What a complaint weighs: one that was turned good less."""
    if not _in_limit(order, row, "resolved_at", "complaint_resolution"):
        return ONE
    if _is_satisfied(order, row):
        return order.limit("complaint_mitigated_satisfied")
    return order.limit("complaint_mitigated")


def _handling(order: Order, row: Row) -> Decimal:
    parts = [
        ("complaint_points_answered", _in_limit(order, row, "responded_at", "complaint_answer")),
        ("complaint_points_resolved", _in_limit(order, row, "resolved_at", "complaint_resolution")),
    ]
    if row["final_rating"] is not None:
        parts.append(("complaint_points_satisfied", _is_satisfied(order, row)))
    known = sum(order.limit(part) for part, _ in parts)
    earned = sum(order.limit(part) for part, is_earned in parts if is_earned)
    return held(100 * Fraction(earned) / Fraction(known), 6)


def _nobody_came_again(order: Order, received_at: datetime) -> bool:
    after = [c.reopened_at for c in order.completions if c.reopened_at]
    after += [visit.moment for visit in order.effective_visits]
    after += [repeat.later.reported_at for repeat in order.repeated_by if repeat.within("repeat")]
    return all(moment <= received_at for moment in after)


# --- inspections ---------------------------------------------------------------------------------


def _inspections(company: Company) -> Iterator[Record]:
    for row in company.deliveries.newest("inspections"):
        if not company.has_happened(row["inspected_at"]):
            continue
        kpi, key = "inspection", row["inspection_id"]
        order = company.orders.get(row["order_id"])
        if order is None:
            yield Record(kpi, key, None, None, None, None, reason="order_unknown")
            continue
        anchor, reason = order.reported_at, None
        if order.cancelled_case == DUPLICATE_OR_TEST:
            reason = DUPLICATE_OR_TEST
        elif order.final:
            anchor = order.final.completed_at
        elif order.is_completion_unknown:
            reason = "completion_time_unknown"
        else:
            reason = order.cancelled_case or "order_still_open"
        if reason is None and not row["points_possible"]:
            reason = "nothing_to_earn"
        elif reason is None and row["points_earned"] > row["points_possible"]:
            reason = "earned_more_than_possible"
        yield _of(
            kpi,
            order,
            order.accountable,
            anchor,
            key=key,
            reason=reason,
            numerator=held(row["points_earned"], 6),
            denominator=held(row["points_possible"], 6),
            matured_at=max(anchor, row["inspected_at"]),
            failure="points_lost" if row["points_earned"] < row["points_possible"] else None,
        )


# --- travel --------------------------------------------------------------------------------------


def _travel(company: Company) -> Iterator[Record]:
    """One record per claimed order and claimant of what is approved; what is not yet, or never will
    be, one per claim and order."""
    kpi = "travel_cost_index"
    visited = _orders_visited(company)
    approved: dict[tuple[str, str, bool], list[tuple[Row, Decimal]]] = defaultdict(list)
    for claim in company.deliveries.newest("expenses"):
        if claim["kind"] != "travel":
            continue
        who, claim_id = claim["technician_id"], claim["expense_id"]
        parts = _parts_of_claim(company, claim, visited)
        if not parts:
            yield Record(kpi, claim_id, None, who, None, None, reason="order_unknown")
        for order_id, amount in parts.items():
            order = company.orders[order_id]
            if claim["status"] == "approved":
                is_added = order.is_added_cost(claim["incurred_on"])
                approved[order_id, who, is_added].append((claim, amount))
                continue
            ended_at, reason = _end_of_trip(order, claim)
            if claim["status"] == "rejected":
                reason = reason or "claim_rejected"
            elif reason == "order_still_open":
                reason = None  # It waits for more than one thing.
            yield _of(
                kpi,
                order,
                who,
                ended_at,
                key=f"{claim_id}/{order_id}",
                stratum=order.now["area_id"],
                numerator=amount,
                reason=reason,
            )
    for (order_id, who, is_added), claims in approved.items():
        order = company.orders[order_id]
        ended_at, reason = _end_of_trip(order, claims[0][0])
        if is_added:
            ended_at = order.added.completed_at if order.added else order.final.reopened_at
            reason = None if order.added else "order_still_open"
        yield _of(
            kpi,
            order,
            who,
            ended_at,
            key=f"{order_id}/{who}" + ("/added" if is_added else ""),
            stratum=order.now["area_id"],
            numerator=sum(amount for _, amount in claims),
            reason=reason,
            matured_at=max([ended_at, *(_approved_at(company, claim) for claim, _ in claims)]),
            # What is added to an order that is held against something already is cost alone.
            share=ZERO if is_added and (order_id, who, False) in approved else ONE,
        )
    claimed = {order_id for order_id, _, _ in approved}
    for order in company.orders.values():
        if order.order_id not in claimed:
            ended_at, reason = _end_of_trip(order, None)
            yield _of(
                kpi,
                order,
                order.accountable,
                ended_at,
                stratum=order.now["area_id"],
                reason=reason or "no_claim",
            )


def _end_of_trip(order: Order, claim: Row | None) -> tuple[datetime, str | None]:
    """When an order's travel counts: it does, too, where the customer or company cancelled after
    departure. That of an open order has no day yet but that of its claim."""
    ended_at, reason = _end_for_cost(order)
    if reason == AFTER_DEPARTURE_EXCUSED:
        reason = None
    elif reason == "order_still_open" and claim:
        ended_at = clocks.midnight(claim["incurred_on"], order.zone)
    return ended_at, reason


def _orders_visited(company: Company) -> dict[tuple[str, date], set[str]]:
    """Technician and day → the orders he visited; a duplicate or test never was one."""
    visited = defaultdict(set)
    for order in company.orders.values():
        if order.cancelled_case == DUPLICATE_OR_TEST:
            continue
        for visit in order.visits:
            day = order.business_date(visit.moment)
            visited[visit.technician_id, day].add(order.order_id)
    return visited


def _parts_of_claim(
    company: Company, claim: Row, visited: dict[tuple[str, date], set[str]]
) -> dict[str, Decimal]:
    """Order → its part of a claim; a trip's orders have equal parts, the first takes the rest."""
    if claim["trip_id"] is None:
        known = claim["order_id"] in company.orders
        return {claim["order_id"]: held(claim["amount"], 6)} if known else {}
    orders = sorted(visited.get((claim["technician_id"], claim["incurred_on"]), ()), key=str.encode)
    if not orders:
        return {}
    part = held(Fraction(claim["amount"]) / len(orders), 6)
    rest = held(claim["amount"], 6) - part * (len(orders) - 1)
    return {orders[0]: rest, **dict.fromkeys(orders[1:], part)}


def _approved_at(company: Company, claim: Row) -> datetime:
    """Since when a claim has been approved."""
    since = claim["updated_at"]
    for version in reversed(company.deliveries.versions["expenses"][(claim["expense_id"],)]):
        if version["status"] != "approved":
            break
        since = version["updated_at"]
    return since
