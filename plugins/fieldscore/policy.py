"""Policy files: refused before anything is computed if they do not add up, loaded if they change.

What the rows mean is the models' business; here is only what makes a set of rows a policy at all.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import psycopg
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError, one_line
from fieldscore.settings import PROJECT, Settings

POLICY = PROJECT / "dbt_project" / "seeds" / "policy"

# Handbook 3: these bounds bind the policy, not the effective weights of a technician.
SATISFACTION = "csat_top2"
SATISFACTION_BOUNDS = (30, 50)
QUALITY_TO_WORKLOAD = (60, 40)

# What the models ask for by name: a misspelt row would be none, and nobody would notice.
LIMITS = (
    "on_time", "completion", "repeat", "repeat_long", "open_pause", "survey_window", "survey_close",
    "survey_too_fast", "survey_sent", "top_box", "complaint_window", "complaint_answer",
    "complaint_resolution", "complaint_final_rating", "complaint_mitigated",
    "complaint_mitigated_satisfied", "complaint_points_answered", "complaint_points_resolved",
    "complaint_points_satisfied", "cancelled_visit_points", "full_day", "month_days", "preview",
    "few_orders", "few_answers", "benchmark_months", "benchmark_records", "benchmark_technicians",
    "duration_low", "duration_high", "score_weight", "score_families", "recognition_cap",
)  # fmt: skip
CASES = (
    "duplicate_or_test", "cancelled_before_departure_excused",
    "cancelled_before_departure_by_technician", "cancelled_after_departure_excused",
    "cancelled_after_departure_by_technician", "cancelled_cause_unknown",
    "service_without_first_time_fix", "irreparable_or_quote_refused", "nothing_to_fix",
    "remote_fix", "resolution_unknown",
)  # fmt: skip

_Text = Annotated[str, Field(min_length=1)]
_Share = Annotated[Decimal, Field(ge=0)]
_Above = Annotated[Decimal, Field(gt=0)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class _Policy(_Row):
    policy_version: _Text
    reason: _Text


class _Dated(_Policy):
    valid_from: date
    valid_to: date | None


def _file(
    *key: str, base: type[_Row] = _Dated, **fields: Any
) -> tuple[tuple[str, ...], type[_Row]]:
    """A file's row model; key: the columns whose dated rows must not overlap."""
    return key, create_model("Row", __base__=base, **{n: (t, ...) for n, t in fields.items()})


FILES = {
    "kpi_catalog": _file(
        "kpi_code", base=_Row, kpi_code=_Text, display_order=int, name=_Text, name_zh=_Text,
        family=Literal["quality", "workload", "cost"], direction=Literal["up", "down"],
        measure=Literal["rate", "mean", "median", "index", "volume", "count"], is_adjusted=bool,
        is_benchmarked=bool, is_trimmed=bool, is_full_when_empty=bool,
        feed=Literal[tuple(canonical_feeds())], unit=_Text, definition=_Text,
    ),
    "kpi_weights": _file("kpi_code", kpi_code=_Text, weight=_Share),
    "kpi_targets": _file(
        "kpi_code", kpi_code=_Text, floor=Decimal, target=Decimal, stretch=Decimal,
        prior_records=_Share | None,
    ),
    "limits": _file("limit_code", limit_code=Literal[LIMITS], value=_Share, unit=_Text),
    "cancellation_causes": _file(
        "cancel_cause", cancel_cause=_Text, is_excused=bool, is_order=bool
    ),
    "case_exclusions": _file("case_code", "kpi_code", case_code=Literal[CASES], kpi_code=_Text),
    "survey_reasons": _file("survey_reason", survey_reason=_Text, is_technicians=bool),
    "staff_respondents": _file("respondent_id", respondent_id=_Text),
    "excused_pause_owners": _file("owner", owner=_Text),
    "calendar_hours": _file(
        "calendar_id", "weekday", "opens", calendar_id=_Text,
        weekday=Annotated[int, Field(ge=1, le=7)], opens=time, closes=time,
    ),
    "calendar_days": _file(
        "calendar_id", "day", "opens", base=_Policy, calendar_id=_Text, day=date,
        opens=time | None, closes=time | None,
    ),
    "benchmark_defaults": _file("kpi_code", kpi_code=_Text, mean=_Share, unit=_Text),
    "standard_work": _file(
        "service_type", "appliance_category", "fault_family", service_type=_Text,
        appliance_category=_Text | None, fault_family=_Text | None, points=_Share, minutes=_Above,
        diagnosis_points=_Share, diagnosis_minutes=_Above, proposed_by=_Text, agreed_on=date,
    ),
    "workload_standards": _file("grade", grade=_Text | None, points=_Above),
    "recognition_points": _file("recognition_kind", recognition_kind=_Text, points=_Share),
    "fault_families": _file("fault_code", fault_code=_Text, fault_family=_Text),
}  # fmt: skip


class _Wrong:
    """Collects what is wrong as ``<file>: row <n>: <reason>``; row 1 holds the column names."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, file: str, row: int | None, reason: str) -> None:
        self.found.append(one_line(f"{file}.csv: {f'row {row}: ' if row else ''}{reason}"))


def validate(folder: Path = POLICY) -> None:
    """Refuse policy files that do not add up: one FieldscoreError names every file and row."""
    wrong = _Wrong()
    policy = {name: _read(folder, name, wrong) for name in FILES}
    _check_files(folder, wrong)
    if not wrong.found:
        for name, (key, _) in FILES.items():
            _check_overlaps(name, key, policy[name], wrong)
        _check_kpis(policy, wrong)
        _check_targets(policy["kpi_targets"], wrong)
        _check_limits(policy["limits"], wrong)
        _check_words(policy, wrong)
        _check_standards(policy["standard_work"], wrong)
        _check_hours(policy, wrong)
        _check_weights(policy, wrong)
    if wrong.found:
        raise FieldscoreError("The policy does not add up:\n  " + "\n  ".join(wrong.found))


def load(connection: psycopg.Connection, settings: Settings, folder: Path = POLICY) -> bool:
    """Hash the staff list into ``ops.staff_respondents``; return whether to load the seeds."""
    from fieldscore.hashes import keyed_hash, personal_key

    connection.execute("delete from ops.staff_respondents")
    key = personal_key(settings)
    for _, row in _read(folder, "staff_respondents", _Wrong()):
        connection.execute(
            "insert into ops.staff_respondents values (%s, %s, %s)",
            [keyed_hash(row.respondent_id, key), row.valid_from, row.valid_to],
        )
    loaded = connection.execute("select fingerprint from ops.policy").fetchone()
    return loaded != (fingerprint(folder),)


def mark_loaded(connection: psycopg.Connection, folder: Path = POLICY) -> None:
    """Note that schema ``policy`` holds the files as they are now."""
    connection.execute(
        "insert into ops.policy (fingerprint) values (%s) on conflict (one_row) do update"
        " set fingerprint = excluded.fingerprint, loaded_at = excluded.loaded_at",
        [fingerprint(folder)],
    )
    # Tables this small the server never counts by itself; uncounted, they are taken for far bigger.
    tables = connection.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'policy'"
    ).fetchall()
    connection.execute("analyze " + ", ".join(table for (table,) in tables))


def fingerprint(folder: Path = POLICY) -> str:
    """What the policy files say, as one word."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def version_on(day: date, folder: Path = POLICY) -> str:
    """The policy version whose weights are in force on a day."""
    rows = _read(folder, "kpi_weights", _Wrong())
    return next((row.policy_version for _, row in rows if _holds(row, day)), "none")


def _read(folder: Path, name: str, wrong: _Wrong) -> list[tuple[int, Any]]:
    """The rows of one file with their numbers; what cannot be read goes to ``wrong``."""
    _, model = FILES[name]
    path = folder / f"{name}.csv"
    if not path.is_file():
        wrong.add(name, None, "the file is missing")
        return []
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        wrong.add(name, data.count(b"\n", 0, error.start) + 1, "it is not UTF-8")
        return []
    if "\0" in text:
        wrong.add(name, text.count("\n", 0, text.index("\0")) + 1, "it holds a NUL byte")
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = set(model.model_fields)
    rows = []
    try:
        if set(reader.fieldnames or ()) != columns:
            wrong.add(name, 1, f"the columns must be {', '.join(model.model_fields)}")
            return []
        for record in reader:
            number = reader.line_num
            try:
                # An empty field is no value; where one is needed, the model says so.
                rows.append((number, model(**{k: v or None for k, v in record.items()})))
            except (ValidationError, TypeError) as refused:
                errors = refused.errors() if isinstance(refused, ValidationError) else []
                for error in errors:
                    wrong.add(name, number, f"{error['loc'][0]}: {error['msg']}")
                if not errors:
                    wrong.add(name, number, "it has more fields than there are columns")
    except csv.Error as unreadable:
        wrong.add(name, reader.line_num, f"not to be split into fields: {unreadable}")
    return rows


def _check_files(folder: Path, wrong: _Wrong) -> None:
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in FILES:
            wrong.add(path.stem, None, "no such policy; is its name misspelt?")


def _holds(row: Any, day: date) -> bool:
    return row.valid_from <= day and (row.valid_to is None or day < row.valid_to)


def _validity(row: Any) -> tuple[date, date]:
    return getattr(row, "valid_from", date.min), getattr(row, "valid_to", None) or date.max


def _meet(first: tuple[Any, Any], second: tuple[Any, Any]) -> bool:
    """Whether two stretches, each up to its end, have something in common."""
    return first[0] < second[1] and second[0] < first[1]


def _check_overlaps(name: str, key: tuple[str, ...], rows: list, wrong: _Wrong) -> None:
    seen: dict[tuple, list] = defaultdict(list)
    for number, row in rows:
        start, end = _validity(row)
        if end <= start:
            wrong.add(name, number, f"valid_to {end} does not lie after valid_from {start}")
        what = tuple(getattr(row, column) for column in key)
        for other_number, other in seen[what]:
            if _meet((start, end), _validity(other)):
                told = ", ".join(str(part) for part in what)
                wrong.add(name, number, f"{told} is in force twice, see row {other_number}")
        seen[what].append((number, row))


def _check_kpis(policy: dict[str, list], wrong: _Wrong) -> None:
    known = {row.kpi_code for _, row in policy["kpi_catalog"]}
    for name in ("kpi_weights", "kpi_targets", "case_exclusions", "benchmark_defaults"):
        for number, row in policy[name]:
            if row.kpi_code not in known:
                wrong.add(name, number, f"unknown KPI {row.kpi_code}; kpi_catalog.csv has no such")


def _check_targets(rows: list, wrong: _Wrong) -> None:
    for number, row in rows:
        if not (row.floor < row.target < row.stretch or row.floor > row.target > row.stretch):
            wrong.add(
                "kpi_targets",
                number,
                f"{row.kpi_code}: target {row.target} does not lie between floor {row.floor}"
                f" and stretch {row.stretch}",
            )


def _check_limits(rows: list, wrong: _Wrong) -> None:
    """Every limit is in force from the first day any is, for good."""
    first = min((row.valid_from for _, row in rows), default=None)
    for code in LIMITS:
        held = sorted(
            (row.valid_from, row.valid_to, n) for n, row in rows if row.limit_code == code
        )
        day, last = first, None
        for start, end, number in held:
            if start != day:
                break
            day, last = end, number
        if day is not None:
            wrong.add("limits", last, f"{code} is in force on no day from {day} on")


# Policy columns that name a word of a feed: file, column, and the feed's column.
_WORDS = (
    ("standard_work", "service_type", ("work_orders", "service_type")),
    ("cancellation_causes", "cancel_cause", ("work_orders", "cancel_cause")),
    ("survey_reasons", "survey_reason", ("surveys", "reason")),
    ("excused_pause_owners", "owner", ("pauses", "owner")),
    ("recognition_points", "recognition_kind", ("recognitions", "kind")),
)


def _check_words(policy: dict[str, list], wrong: _Wrong) -> None:
    for name, column, (feed, theirs) in _WORDS:
        words = canonical_feeds()[feed].columns[theirs].values
        for number, row in policy[name]:
            if getattr(row, column) not in words:
                told = f"{column} {getattr(row, column)} is none of {', '.join(words)}"
                wrong.add(name, number, told)


def _check_standards(rows: list, wrong: _Wrong) -> None:
    for number, row in rows:
        if row.fault_family and not row.appliance_category:
            wrong.add("standard_work", number, "a fault family needs its appliance category")
        if row.agreed_on > row.valid_from:
            wrong.add("standard_work", number, f"it holds before it was agreed on {row.agreed_on}")


def _check_hours(policy: dict[str, list], wrong: _Wrong) -> None:
    """The hours of a day lie apart or touch: a minute in two of them would be worked twice."""
    for name in ("calendar_hours", "calendar_days"):
        seen: dict[tuple, list] = defaultdict(list)
        for number, row in policy[name]:
            half = (row.opens is None) != (row.closes is None)
            if half or (row.opens and row.closes <= row.opens):
                wrong.add(name, number, "closes must lie after opens, or both be empty")
                continue
            same_day = seen[row.calendar_id, getattr(row, "weekday", None) or row.day]
            for other_number, other in same_day:
                # Rows that open alike are in force twice, which is told already.
                if (
                    row.opens != other.opens
                    and _meet(_validity(row), _validity(other))
                    and _meet(_hours(row), _hours(other))
                ):
                    wrong.add(name, number, f"its hours overlap those of row {other_number}")
            same_day.append((number, row))


def _hours(row: Any) -> tuple[time, time]:
    """A day off leaves no hour of its day to another row."""
    return row.opens or time.min, row.closes or time.max


def _check_weights(policy: dict[str, list], wrong: _Wrong) -> None:
    """On every day from which a weight or a target changes, the weights in force add up."""
    family = {row.kpi_code: row.family for _, row in policy["kpi_catalog"]}
    weights, targets = policy["kpi_weights"], policy["kpi_targets"]
    if not weights:
        wrong.add("kpi_weights", None, "it holds no weights")
    starts = {row.valid_from for _, row in weights + targets}
    ends = {row.valid_to for _, row in weights + targets if row.valid_to}
    for day in sorted(starts | ends):
        held = [(number, row) for number, row in weights if _holds(row, day)]
        if not held and day > max(starts):
            continue  # the policy has an end and no successor yet
        last = max((number for number, _ in held), default=None)
        total = sum(row.weight for _, row in held)
        if total != 100:
            wrong.add(
                "kpi_weights", last, f"the weights in force on {day} add up to {total}, not 100"
            )
        satisfaction = sum(row.weight for _, row in held if row.kpi_code == SATISFACTION)
        low, high = SATISFACTION_BOUNDS
        if not low <= satisfaction <= high:
            row_number = next((n for n, row in held if row.kpi_code == SATISFACTION), last)
            wrong.add(
                "kpi_weights",
                row_number,
                f"{SATISFACTION} weighs {satisfaction} on {day}; it must weigh {low} to {high}",
            )
        quality, workload = (
            sum(row.weight for _, row in held if family.get(row.kpi_code) == name)
            for name in ("quality", "workload")
        )
        if quality * QUALITY_TO_WORKLOAD[1] != workload * QUALITY_TO_WORKLOAD[0]:
            wrong.add(
                "kpi_weights",
                last,
                f"quality : workload is {quality} : {workload} on {day}; it must be"
                f" {QUALITY_TO_WORKLOAD[0]} : {QUALITY_TO_WORKLOAD[1]}",
            )
        aimed = {row.kpi_code for _, row in targets if _holds(row, day)}
        for number, row in held:
            if row.weight and row.kpi_code not in aimed:
                wrong.add("kpi_weights", number, f"{row.kpi_code} has no target on {day}")
