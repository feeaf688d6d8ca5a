"""Write the tables of docs/kpis.md from the policy files, between their markers.

A table stands between ``<!-- begin <name> -->`` and ``<!-- end <name> -->``; the text around it is
written by hand.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "kpis.md"
POLICY = PROJECT / "dbt_project" / "seeds" / "policy"

Rows = list[dict[str, str]]


def page(text: str) -> str:
    """The page with every table as the policy files have it today."""
    for name, table in TABLES.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{PAGE}: the markers of the table {name!r} are missing")
        text = f"{before}{begin}\n{table()}\n\n{end}{after}"
    return text


def _kpis() -> str:
    """Weight and line of every weighted KPI, a row for each stretch of time in which both hold."""
    targets, weights = _policy("kpi_targets"), _policy("kpi_weights")
    rows = []
    for kpi in _policy("kpi_catalog"):
        for weight in _of(kpi, weights):
            for target in _of(kpi, targets):
                starts = max(weight["valid_from"], target["valid_from"])
                ends = min(weight["valid_to"] or "9999", target["valid_to"] or "9999")
                if starts < ends:
                    line = [target[name] for name in ("floor", "target", "stretch")]
                    head = [_code(kpi), kpi["name_zh"], kpi["family"], weight["weight"]]
                    rows.append([*head, *line, target["prior_records"], starts, kpi["feed"]])
    columns = "KPI,中文,family,weight,floor,target,stretch,m,from,rests on"
    return _table(columns.split(","), rows)


def _unweighted() -> str:
    """What is published beside the score: every KPI without a line."""
    aimed = {row["kpi_code"] for row in _policy("kpi_targets")}
    rows = (
        [_code(kpi), kpi["name_zh"], kpi["family"], kpi["unit"], kpi["definition"], kpi["feed"]]
        for kpi in _policy("kpi_catalog")
        if kpi["kpi_code"] not in aimed
    )
    return _table(["KPI", "中文", "family", "unit", "what it measures", "rests on"], rows)


def _code(kpi: dict[str, str]) -> str:
    return f"`{kpi['kpi_code']}` {'↑' if kpi['direction'] == 'up' else '↓'}"


def _standards() -> str:
    """Standard points and minutes, of the rows that hold until further notice."""
    rows = (
        [
            row["service_type"],
            row["appliance_category"] or "any",
            row["fault_family"] or "any",
            *(row[name] for name in ("points", "minutes", "diagnosis_points", "diagnosis_minutes")),
            row["reason"],
        ]
        for row in _policy("standard_work")
        if not row["valid_to"]
    )
    head = "service,appliance,fault family,points,minutes,diagnosis points,diagnosis minutes,reason"
    return _table(head.split(","), rows)


def _limits() -> str:
    """Every limit with its dates."""
    rows = (
        [f"`{code}`", value, unit, starts, ends, reason]
        for _, code, value, unit, starts, ends, reason in map(dict.values, _policy("limits"))
    )
    return _table(["limit", "value", "unit", "from", "until", "reason"], rows)


def _cases() -> str:
    """What does not count, case by case, of the rows that hold until further notice."""
    cases: dict[str, list[str]] = {}
    for row in _policy("case_exclusions"):
        if row["valid_to"]:
            continue
        cases.setdefault(row["case_code"], []).append(f"`{row['kpi_code']}`")
    head = ["case, and the reason that is shown", "does not count for"]
    return _table(head, ([f"`{case}`", ", ".join(kpis)] for case, kpis in cases.items()))


TABLES: dict[str, Callable[[], str]] = {
    "kpis": _kpis,
    "unweighted": _unweighted,
    "standards": _standards,
    "limits": _limits,
    "cases": _cases,
}


def _policy(name: str) -> Rows:
    with (POLICY / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _of(kpi: dict[str, str], rows: Rows) -> Rows:
    return [row for row in rows if row["kpi_code"] == kpi["kpi_code"]]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
