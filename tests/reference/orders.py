"""What happened to an order, told by its versions, visits and pauses. Judging it is for later.

Sections in brackets are the handbook's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from zoneinfo import ZoneInfo

from reference import clocks
from reference.clocks import Calendars, Span
from reference.deliveries import Deliveries, Row
from reference.exact import held
from reference.policy import Policy

# The calendar of an order or technician without an area, and of an area that names none.
DEFAULT_CALENDAR = "standard"

DIAGNOSIS_ONLY = {"no_fault_found", "user_education", "irreparable", "quote_refused"}
NOTHING_TO_FIX = {"no_fault_found", "user_education"}
NOT_TO_BE_FIXED = {"irreparable", "quote_refused"}

# Cases of cancelled orders; every other order is ordinary until its resolution is asked.
DUPLICATE_OR_TEST = "duplicate_or_test"
BEFORE_DEPARTURE_EXCUSED = "cancelled_before_departure_excused"
BEFORE_DEPARTURE_BY_TECHNICIAN = "cancelled_before_departure_by_technician"
AFTER_DEPARTURE_EXCUSED = "cancelled_after_departure_excused"
AFTER_DEPARTURE_BY_TECHNICIAN = "cancelled_after_departure_by_technician"
CAUSE_UNKNOWN = "cancelled_cause_unknown"


@dataclass
class Completion:
    """An order's being completed, until it is reopened.

    shown_at: when a version first said so; shown_by: that version; version: the last one that said
    so before a reopening.
    """

    completed_at: datetime | None
    shown_at: datetime
    shown_by: Row
    version: Row
    reopened_at: datetime | None = None


@dataclass(frozen=True)
class Visit:
    """One technician's being there. moment: when, for what comes before what; began, ended: where
    both are known, else None."""

    visit_id: str
    technician_id: str | None
    moment: datetime
    began: datetime | None
    ended: datetime | None
    outcome: str | None
    is_diagnosed: bool
    is_lead: bool

    @property
    def span(self) -> Span | None:
        if self.began and self.ended and self.ended > self.began:
            return self.began, self.ended
        return None


class Company:
    """A company as of a moment: what it delivered, what its policy says, and its orders."""

    def __init__(
        self, deliveries: Deliveries, policy: Policy, as_of: datetime, zone: ZoneInfo
    ) -> None:
        self.deliveries = deliveries
        self.policy = policy
        self.as_of = as_of
        self.zone = zone
        self.calendars = Calendars(policy)
        self.areas = {row["area_id"]: row for row in deliveries.newest("areas")}
        self.visits = _by_order(deliveries.newest("visits"))
        self.pauses = _by_order(deliveries.newest("pauses"))
        self.parts = _by_order(deliveries.newest("parts"))
        self.complaints = _by_order(deliveries.newest("complaints"))
        self.first_sent: dict[str, datetime] = {}
        for row in deliveries.newest("surveys"):
            earlier = self.first_sent.get(row["order_id"], row["sent_at"])
            self.first_sent[row["order_id"]] = min(row["sent_at"], earlier)
        self.orders = {
            versions[0]["order_id"]: Order(self, versions)
            for versions in deliveries.versions["work_orders"].values()
        }
        self.follow_ups: dict[str, list[Order]] = defaultdict(list)
        for order in self.orders.values():
            if order.now["follow_up_of"] and order.now["follow_up_of"] != order.order_id:
                self.follow_ups[order.now["follow_up_of"]].append(order)
        self._link_repeats()

    def zone_of(self, area_id: str | None) -> ZoneInfo:
        area = self.areas.get(area_id)
        return area["time_zone"] if area else self.zone

    def calendar_of(self, area_id: str | None) -> str:
        area = self.areas.get(area_id)
        return (area and area["calendar_id"]) or DEFAULT_CALENDAR

    def has_happened(self, moment: datetime | None) -> bool:
        return moment is not None and moment <= self.as_of

    def technician_then(self, technician_id: str, before: datetime) -> Row | None:
        """A technician's record as it was just before a moment, else the earliest."""
        versions = self.deliveries.versions["technicians"].get((technician_id,))
        if not versions:
            return None
        then = [row for row in versions if row["updated_at"] < before]
        return then[-1] if then else versions[0]

    def _link_repeats(self) -> None:
        """Link every repair that came back to the nearest earlier order it repeats (3, Repeat)."""
        by_serial = defaultdict(list)
        by_customer = defaultdict(list)
        for order in self.orders.values():
            for completed_at in order.completion_moments:
                entry = (completed_at, order)
                if order.serial:
                    by_serial[order.serial].append(entry)
                if order.customer_and_category:
                    by_customer[order.customer_and_category].append(entry)
        for later in self.orders.values():
            if later.service_type != "repair" or later.is_cancelled or later.is_follow_up_visit:
                continue
            entries = by_serial.get(later.serial, []) + [
                (completed_at, earlier)
                for completed_at, earlier in by_customer.get(later.customer_and_category, [])
                if not (later.serial and earlier.serial)
            ]
            last: dict[Order, datetime] = {}
            for completed_at, earlier in entries:
                if completed_at < later.reported_at and earlier is not later:
                    last[earlier] = max(completed_at, last.get(earlier, completed_at))
            possible = [
                (completed_at, earlier)
                for earlier, completed_at in last.items()
                if later.reported_at - completed_at <= earlier.days("repeat_long")
                and earlier.has_same_fault(later)
            ]
            if possible:
                nearest = max(completed_at for completed_at, _ in possible)
                earlier = min(
                    (earlier for completed_at, earlier in possible if completed_at == nearest),
                    key=lambda order: order.order_id.encode(),
                )
                later.repeats = Repeat(earlier, later, nearest)
                earlier.repeated_by.append(later.repeats)


@dataclass(frozen=True)
class Repeat:
    """A later repair, the nearest earlier order that it repeats, and after which completion."""

    earlier: Order
    later: Order
    completed_at: datetime

    def within(self, limit: str) -> bool:
        return self.later.reported_at - self.completed_at <= self.earlier.days(limit)


def _by_order(rows: list[Row]) -> dict[str, list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row["order_id"]].append(row)
    return found


class Order:
    """One order. ``now`` is its current version, ``dispatched`` its first."""

    def __init__(self, company: Company, versions: list[Row]) -> None:
        self.company = company
        self.versions = versions
        self.order_id: str = versions[0]["order_id"]
        self.dispatched = versions[0]
        self.now = versions[-1]
        self.reported_at: datetime = self.now["reported_at"]
        self.zone = company.zone_of(self.now["area_id"])
        self.reported_on = clocks.local_date(self.reported_at, self.zone)
        self.repeats: Repeat | None = None
        self.repeated_by: list[Repeat] = []

    # --- policy, as of the report (4.1) ---

    def limit(self, code: str) -> Decimal:
        return self.company.policy.limit(code, self.reported_on)

    def days(self, code: str) -> timedelta:
        return _times(timedelta(days=1), self.limit(code))

    def hours(self, code: str) -> timedelta:
        return _times(timedelta(hours=1), self.limit(code))

    # --- what it is (2.12) ---

    @property
    def service_type(self) -> str | None:
        return self.dispatched["service_type"]

    @property
    def category(self) -> str | None:
        return self.dispatched["appliance_category"]

    @cached_property
    def fault_family(self) -> str | None:
        return self.company.policy.fault_family(self.dispatched["fault_code"], self.reported_on)

    @cached_property
    def stratum(self) -> str:
        return "|".join(
            part or "?" for part in (self.service_type, self.category, self.fault_family)
        )

    @property
    def serial(self) -> str | None:
        return self.now["appliance_serial"]

    @cached_property
    def customer_and_category(self) -> tuple[str, str] | None:
        known = (self.now["customer_id"], self.now["appliance_category"])
        return known if all(known) else None

    @property
    def is_appliance_known(self) -> bool:
        return bool(self.serial or self.customer_and_category)

    def standard(self, version: Row) -> tuple[Decimal | None, Decimal | None]:
        """Standard points and minutes of the work that a version says was done."""
        row = self.service_type and self.company.policy.standard_work(
            self.service_type, self.category, self.fault_family, self.reported_on
        )
        if not row:
            return None, None
        kind = "diagnosis_" if version["resolution"] in DIAGNOSIS_ONLY else ""
        points, minutes = row[f"{kind}points"], row[f"{kind}minutes"]
        return (Decimal(points) if points else None, Decimal(minutes) if minutes else None)

    # --- completed, reopened, cancelled (2.11, 2.13) ---

    @cached_property
    def completions(self) -> list[Completion]:
        """Every time it was completed. A completion that lies ahead of as_of has not happened."""
        found: list[Completion] = []
        for version in self.versions:
            completed_at, told_at = version["completed_at"], version["updated_at"]
            is_done = version["status"] == "completed" and (
                completed_at is None or self.company.has_happened(completed_at)
            )
            last = found[-1] if found else None
            if not is_done:
                if last and last.reopened_at is None:
                    last.reopened_at = told_at
                continue
            if last is None or last.reopened_at is not None:
                found.append(Completion(completed_at, told_at, version, version))
            elif completed_at in (None, last.completed_at):
                last.version = version
            elif last.completed_at is not None and completed_at > last.shown_at:
                # Who comes again has been called again: at the latest when the work was done anew.
                last.reopened_at = min(told_at, completed_at)
                found.append(Completion(completed_at, told_at, version, version))
            else:
                last.completed_at, last.version = completed_at, version
            if completed_at and completed_at <= found[0].shown_at:
                found[0].completed_at = completed_at
        return found

    @property
    def first(self) -> Completion | None:
        return self.completions[0] if self.completions else None

    @property
    def first_completed_at(self) -> datetime | None:
        return self.first and self.first.completed_at

    @cached_property
    def final(self) -> Completion | None:
        """The completion that counts as final: a reopening within 7 days undoes one, later nothing
        already counted moves. None while it is not completed, or nobody says when."""
        for completion in self.completions:
            if completion.reopened_at is None or not self._is_soon(completion.reopened_at):
                return completion if completion.completed_at else None
        return None

    @cached_property
    def added(self) -> Completion | None:
        """The completion after a reopening too late to undo one: it adds cost and nothing else."""
        last = self.completions[-1] if self.completions else None
        if self.final and last is not self.final and last.reopened_at is None:
            return last if last.completed_at else None
        return None

    def is_added_cost(self, day: date) -> bool:
        """Whether what was spent on a day was spent on the work after a late reopening."""
        reopened_at = self.final and self.final.reopened_at
        return reopened_at is not None and day >= self.business_date(reopened_at)

    @cached_property
    def is_reopened_soon(self) -> bool:
        """Whether it was reopened within 7 days: a repeat of itself."""
        return any(c.reopened_at and self._is_soon(c.reopened_at) for c in self.completions)

    def _is_soon(self, reopened_at: datetime) -> bool:
        first = self.first_completed_at
        return first is not None and reopened_at - first <= self.days("repeat")

    @cached_property
    def completion_moments(self) -> list[datetime]:
        return [c.completed_at for c in self.completions if c.completed_at]

    @property
    def is_completion_unknown(self) -> bool:
        """Completed, and nobody says when."""
        return self.first is not None and self.first.completed_at is None

    @cached_property
    def cancelled_at(self) -> datetime | None:
        if self.now["status"] != "cancelled":
            return None
        if self.now["cancelled_at"]:
            moment = self.now["cancelled_at"]
            return moment if self.company.has_happened(moment) else None
        return next(v["updated_at"] for v in self.versions if v["status"] == "cancelled")

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None

    @cached_property
    def cancelled_case(self) -> str | None:
        """The case table's row of a cancelled order; None of any other."""
        if not self.is_cancelled:
            return None
        cause = self.now["cancel_cause"]
        if cause is None:
            return CAUSE_UNKNOWN
        is_excused, is_order = self.company.policy.cancellation(cause, self.reported_on)
        if not is_order:
            return DUPLICATE_OR_TEST
        set_out = [row[c] for row in self.visit_rows for c in ("departed_at", "arrived_at")]
        set_out.append(self.now["arrived_at"])
        if any(moment and moment < self.cancelled_at for moment in set_out):
            return AFTER_DEPARTURE_EXCUSED if is_excused else AFTER_DEPARTURE_BY_TECHNICIAN
        return BEFORE_DEPARTURE_EXCUSED if is_excused else BEFORE_DEPARTURE_BY_TECHNICIAN

    # --- visits (2.6) ---

    @property
    def visit_rows(self) -> list[Row]:
        return self.company.visits.get(self.order_id, [])

    @cached_property
    def visits(self) -> list[Visit]:
        """Everybody's being there who did something, the assistants too, by their moments."""
        if not self.visit_rows:
            return [self.implied_visit] if self.implied_visit else []
        visits = []
        for row in self.visit_rows:
            moment = row["arrived_at"] or row["slot_start"] or row["updated_at"]
            is_lead = row["role"] == "lead"
            if row["outcome"] == "no_access" or not self.company.has_happened(moment):
                continue
            # How it ended is for the lead to say; his word is missing while it has not.
            if is_lead and row["outcome"] is None:
                continue
            visits.append(
                Visit(
                    row["visit_id"],
                    row["technician_id"],
                    moment,
                    row["arrived_at"],
                    row["left_at"],
                    row["outcome"],
                    row["diagnosis_recorded"] is True,
                    is_lead,
                )
            )
        return sorted(visits, key=lambda visit: (visit.moment, visit.visit_id.encode()))

    @cached_property
    def implied_visit(self) -> Visit | None:
        """The one visit of an order without visit rows; a remote fix has none."""
        version = self.final.version if self.final else self.now
        if version["resolution"] == "remote_fix":
            return None
        arrived_at = version["arrived_at"]
        if not self.company.has_happened(arrived_at):
            arrived_at = None
        done_at = self.final.completed_at if self.final else self.first_completed_at
        moment = arrived_at or done_at
        if moment is None:
            return None
        return Visit(
            "", self.technician_at_completion, moment, arrived_at, done_at, None, False, True
        )

    @cached_property
    def effective_visits(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.is_lead]

    @cached_property
    def visits_to_first_completion(self) -> list[Visit]:
        """Its effective visits up to first completion; while it is not completed, all."""
        until = self.first_completed_at
        return [v for v in self.effective_visits if until is None or v.moment <= until]

    @cached_property
    def is_follow_up_visit(self) -> bool:
        """Whether it goes on with an order whose last visit wanted a part: its further visit."""
        earlier = self.company.orders.get(self.now["follow_up_of"] or "")
        return earlier is not None and earlier is not self and earlier.wants_a_part

    @cached_property
    def wants_a_part(self) -> bool:
        visits = self.visits_to_first_completion
        return bool(visits) and visits[-1].outcome == "parts_needed"

    @cached_property
    def visits_for_first_time_fix(self) -> list[Visit]:
        visits = list(self.visits_to_first_completion)
        if self.wants_a_part:
            for follow_up in self.company.follow_ups[self.order_id]:
                visits += follow_up.effective_visits
        return sorted(visits, key=lambda visit: visit.moment)

    @cached_property
    def is_further_visit_excused(self) -> bool:
        """One further visit for a part that was not to be had (3, first_time_fix)."""
        visits = self.visits_for_first_time_fix
        if len(visits) != 2 or visits[0].outcome != "parts_needed" or not visits[0].is_diagnosed:
            return False
        counts = self.company.deliveries.counts
        day = clocks.local_date(self.first_completed_at or self.reported_at, self.zone)
        if not counts("pauses", day) and not counts("parts", day):
            return True
        waited = any(row["owner"] == "parts" for row in self.counting_pauses)
        return waited or bool(self.company.parts.get(self.order_id))

    # --- whose (2.4, 2.5) ---

    def holder(self, moment: datetime) -> str | None:
        """The technician of the version valid then, else of the earliest."""
        then = [version for version in self.versions if version["updated_at"] <= moment]
        return (then[-1] if then else self.versions[0])["technician_id"]

    @property
    def technician_at_completion(self) -> str | None:
        """The technician of the version that first showed completion, else today's."""
        return (self.first.shown_by if self.first else self.now)["technician_id"]

    @cached_property
    def accountable(self) -> str | None:
        """Who answers for its quality: who led the visit that fixed it, else the last one."""
        visits = self.visits_to_first_completion or self.effective_visits
        fixed = [v for v in visits if v.outcome == "fixed"] if self.first_completed_at else []
        for visit in (*fixed[-1:], *visits[-1:]):
            return visit.technician_id
        return self.technician_at_completion

    def sharers(self, until: datetime) -> list[Visit]:
        """The visits up to a moment of all who have a part in the work."""
        return [visit for visit in self.visits if visit.moment <= until and visit.technician_id]

    def shares(self, until: datetime, after: datetime | None = None) -> dict[str, Decimal]:
        """Technician → credit share by on-site minutes; together exactly 1. Nobody: empty."""
        if self.accountable is None:
            return {}
        on_site: dict[str, timedelta] = defaultdict(timedelta)
        for visit in self.sharers(until):
            if after and visit.moment <= after:
                continue
            if visit.span:
                on_site[visit.technician_id] += visit.span[1] - visit.span[0]
        total = sum(on_site.values(), timedelta(0))
        shares = {who: held(Fraction(_us(part), _us(total)), 6) for who, part in on_site.items()}
        rest = 1 - sum(shares.values())
        shares[self.accountable] = shares.get(self.accountable, Decimal(0)) + rest
        return {who: share for who, share in shares.items() if share}

    # --- clocks (2.3) ---

    @cached_property
    def counting_pauses(self) -> list[Row]:
        """Its pauses, but those entered after completion without evidence."""
        done = self.first_completed_at
        return [
            row
            for row in self.company.pauses.get(self.order_id, [])
            if row["evidence_ref"] or not (done and row["entered_at"] and row["entered_at"] > done)
        ]

    @cached_property
    def excused_pauses(self) -> list[Span]:
        """When its net clock stands still."""
        excused = self.company.policy.excused_owners(self.reported_on)
        spans = [
            (row["started_at"], row["ended_at"] or self._end_of_open_pause(row["started_at"]))
            for row in self.counting_pauses
            if row["owner"] in excused
        ]
        assigned_at = next((v["assigned_at"] for v in self.versions if v["assigned_at"]), None)
        if assigned_at:
            spans.append((self.reported_at, assigned_at))
        elif not any(version["technician_id"] for version in self.versions):
            spans.append((self.reported_at, self._end_of_open_pause(self.reported_at)))
        return clocks.merged(spans)

    def _end_of_open_pause(self, started_at: datetime) -> datetime:
        return min(self.company.as_of, started_at + self.days("open_pause"))

    @cached_property
    def customer_slot_end(self) -> datetime | None:
        """The end of the first slot the customer asked for; where others move it, it stays."""
        return next(
            (
                version["slot_end"]
                for version in self.versions
                if version["slot_requested_by"] == "customer" and version["slot_end"]
            ),
            None,
        )

    def due_at(self, allowed: timedelta, pauses: list[Span]) -> datetime:
        """When so much time is over, or the customer's slot if that is later. Pauses are clipped at
        completion."""
        if self.first_completed_at:
            pauses = clocks.clipped(pauses, self.reported_at, self.first_completed_at)
        due = clocks.net_deadline(self.reported_at, allowed, pauses)
        return max(due, self.customer_slot_end or due)

    @cached_property
    def on_time_due_at(self) -> datetime:
        return self.due_at(self.hours("on_time"), self.excused_pauses)

    @cached_property
    def quality_anchor(self) -> datetime | None:
        """What surveys and complaints count for: first completion, else cancellation, else due
        time. None where it is completed and nobody says when (2.7)."""
        if self.is_completion_unknown:
            return None
        return self.first_completed_at or self.cancelled_at or self.on_time_due_at

    def on_site_minutes(self, until: datetime) -> Decimal | None:
        """Net minutes of the visits up to a moment, each minute once; None where nobody knows."""
        there = clocks.merged([v.span for v in self.sharers(until) if v.span])
        net = clocks.length(there) - clocks.common(there, self.excused_pauses)
        return clocks.minutes(net) if net > timedelta(0) else None

    # --- coming back (3, Repeat) ---

    def has_same_fault(self, later: Order) -> bool:
        families = {self.fault_family, later.fault_family}
        return len(families) == 1 or None in families

    def came_back(self, limit: str) -> bool:
        """Whether its fault came back: reopened within 7 days, or repeated within the limit after
        a completion that counts (later nothing already counted moves). The reopening of what is no
        repair is an on-time breach instead."""
        counted = self.final.completed_at if self.final else None
        is_repeat_of_itself = self.is_reopened_soon and self.service_type == "repair"
        return is_repeat_of_itself or any(
            repeat.within(limit) and (counted is None or repeat.completed_at <= counted)
            for repeat in self.repeated_by
        )

    def business_date(self, moment: datetime) -> date:
        return clocks.local_date(moment, self.zone)


def _times(unit: timedelta, number: Decimal) -> timedelta:
    return timedelta(microseconds=int(_us(unit) * number))


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
