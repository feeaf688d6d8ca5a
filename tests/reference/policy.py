"""What management decided: the policy's CSV files, as dated rows."""

from __future__ import annotations

import csv
import unicodedata
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

Row = dict[str, str]


def normalised(personal: str) -> str:
    """A personal value in the form in which two of them are the same."""
    return unicodedata.normalize("NFKC", personal.strip()).casefold()


class Policy:
    """The policy files of a folder. Every question names the day it is asked for.

    A limit that is not there is a KeyError naming it; a missing file has no rows.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A company asks the same few questions millions of times.
        self.rows = cache(self._rows)
        self.in_force = cache(self._in_force)
        self.limit = cache(self._limit)
        self.excused_owners = cache(self._excused_owners)
        self.staff = cache(self._staff)
        self.standard_work = cache(self._standard_work)
        self.workload_standard = cache(self._workload_standard)

    def _rows(self, table: str) -> list[Row]:
        path = self._folder / f"{table}.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _in_force(self, table: str, day: date) -> list[Row]:
        """The rows of a file that hold on a day: from valid_from, until before valid_to."""
        return [
            row
            for row in self.rows(table)
            if row["valid_from"] <= str(day) and (not row["valid_to"] or str(day) < row["valid_to"])
        ]

    def _find(self, table: str, day: date, **wanted: str) -> Row | None:
        for row in self.in_force(table, day):
            if all(row[column] == value for column, value in wanted.items()):
                return row
        return None

    def _limit(self, code: str, day: date) -> Decimal:
        """A limit's value, in the unit of its row."""
        row = self._find("limits", day, limit_code=code)
        if row is None:
            raise KeyError(f"limits.csv has no {code} on {day}")
        return Decimal(row["value"])

    def weight(self, kpi: str, day: date) -> Decimal:
        """A KPI's weight in percent; a KPI without a row weighs nothing."""
        row = self._find("kpi_weights", day, kpi_code=kpi)
        return Decimal(row["weight"]) if row else Decimal(0)

    def line(self, kpi: str, day: date) -> tuple[Decimal, Decimal, Decimal] | None:
        """Floor, target and stretch of a KPI; None where it has no points."""
        row = self._find("kpi_targets", day, kpi_code=kpi)
        return row and (Decimal(row["floor"]), Decimal(row["target"]), Decimal(row["stretch"]))

    def prior_records(self, kpi: str, day: date) -> Decimal:
        """m: as how many records what was known before a period counts."""
        return Decimal(self._find("kpi_targets", day, kpi_code=kpi)["prior_records"])

    def default_mean(self, kpi: str, day: date) -> Decimal | None:
        """What an index is held against until there is history."""
        row = self._find("benchmark_defaults", day, kpi_code=kpi)
        return row and Decimal(row["mean"])

    def cancellation(self, cause: str, day: date) -> tuple[bool, bool]:
        """Whether a cancellation is excused, and whether there ever was an order."""
        row = self._find("cancellation_causes", day, cancel_cause=cause)
        return row["is_excused"] == "true", row["is_order"] == "true"

    def is_technicians_doing(self, reason: str | None, day: date) -> bool:
        """Whether a rating with this reason is the technician's to answer for."""
        row = reason and self._find("survey_reasons", day, survey_reason=reason)
        return not row or row["is_technicians"] == "true"

    def recognition_points(self, kind: str, day: date) -> Decimal | None:
        """What a recognition of this kind brings."""
        row = self._find("recognition_points", day, recognition_kind=kind)
        return row and Decimal(row["points"])

    def fault_family(self, fault_code: str | None, day: date) -> str | None:
        """The part before the first dash, or as the policy table says; None where unknown."""
        if fault_code is None:
            return None
        row = self._find("fault_families", day, fault_code=fault_code)
        return row["fault_family"] if row else fault_code.partition("-")[0] or None

    def _excused_owners(self, day: date) -> set[str]:
        """Whose pauses stop the net clock."""
        return {row["owner"] for row in self.in_force("excused_pause_owners", day)}

    def _staff(self, day: date) -> set[str]:
        """Respondents whose answers are the company's own, in the form in which they compare."""
        return {normalised(row["respondent_id"]) for row in self.in_force("staff_respondents", day)}

    def _standard_work(
        self, service: str, appliance: str | None, family: str | None, day: date
    ) -> Row | None:
        """Points and minutes of a job: the row that says most about it."""
        for about in ((appliance, family), (appliance, None), (None, None)):
            row = self._find(
                "standard_work",
                day,
                service_type=service,
                appliance_category=about[0] or "",
                fault_family=about[1] or "",
            )
            if row:
                return row
        return None

    def _workload_standard(self, grade: str | None, day: date) -> Decimal | None:
        """Standard points of a month of that grade; the row without one is for any other."""
        row = grade and self._find("workload_standards", day, grade=grade)
        row = row or self._find("workload_standards", day, grade="")
        return row and Decimal(row["points"])
