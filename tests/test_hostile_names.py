"""What files, columns and values are called stays text and never becomes SQL or HTML."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fieldscore.errors import FieldscoreError
from nights import TINY, TINY_NIGHT, Site, at, declare, deliver, marts, rows, run_night

# What each would do where it was pasted into SQL, a template, a format or a page.
DROP = """x'); drop schema raw cascade; --"""
QUOTED = """x"; drop table ops.loads; -- %s %(x)s $1 {} {{ 7 * 7 }}"""
SCRIPT = "<script>alert(1)</script>"
TECHNICIAN = f"T'); delete from ops.loads; -- {{{{ 7 * 7 }}}} {SCRIPT}"
NOTHING = "'; drop schema marts cascade; --"
ORDER = f"order {QUOTED}"
DONE = "done'); drop schema ops cascade; --"

DECLARATION = {
    "required": True,
    "null_tokens": [NOTHING],
    "columns": {
        "order_id": ORDER,
        "technician_id": f"technician {DROP}",
        "reported_at": "reported_at",
        "assigned_at": "reported_at",
        "accepted_at": "reported_at",
        "completed_at": "completed_at",
        "updated_at": "completed_at",
        "status": "status",
        "resolution": "resolution",
    },
    "constants": {"area_id": f"area {DROP}", "service_type": "repair"},
    "values": {"status": {DONE: "completed"}},
    "harmless": [f"note {DROP}", f"note {QUOTED}"],
}
RECORD = {
    ORDER: "",
    f"technician {DROP}": TECHNICIAN,
    "reported_at": at("05 08:00"),
    "completed_at": at("05 12:00"),
    "status": DONE,
    "resolution": NOTHING,
    f"note {DROP}": QUOTED,
    f"note {QUOTED}": DROP,
    f"undeclared {DROP}": "1",
}
CORRECTIONS = [
    {
        "correction_id": f"{what} {DROP}",
        "target_feed": feed,
        "target_key": f"O7 {DROP}",
        "field": field,
        "new_value": DROP,
        "decided_at": at("30 12:00"),
        "decision": "upheld",
    }
    for what, feed, field in (
        ("feed", DROP, "status"),
        ("field", "work_orders", QUOTED),
        ("value", "work_orders", "fault_code"),
    )
]


@pytest.fixture(scope="module")
def told(site: Site) -> SimpleNamespace:
    """A night of deliveries, files and columns with hostile names; what it said."""
    settings = site.clear()
    declare(
        site,
        work_orders=yaml.safe_dump(DECLARATION),
        surveys="{}\n",
        expenses="required: true\n",
        corrections="{}\n",
    )
    path = Path(settings.landing) / "work_orders" / str(TINY_NIGHT) / f"{DROP} {QUOTED}.csv"
    path.parent.mkdir(parents=True)
    bad = {**RECORD, ORDER: f"bad {DROP}", "status": SCRIPT}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, RECORD)
        writer.writeheader()
        writer.writerow(bad)
        # Enough that one bad row in a hundred does not stop the night.
        writer.writerows({**RECORD, ORDER: f"O{number} {DROP}"} for number in range(120))
    deliver(settings, "surveys", TINY_NIGHT, TINY["surveys"], f"{QUOTED}.csv")
    deliver(settings, "expenses", TINY_NIGHT, TINY["expenses"])
    deliver(settings, "corrections", TINY_NIGHT, CORRECTIONS)
    said: list[str] = []
    run_night(settings, TINY_NIGHT, say=said.append)
    return SimpleNamespace(settings=settings, said="\n".join(said), file=path.name)


def test_a_hostile_order_is_scored_like_any_other(told) -> None:
    [found] = [
        row for row in marts(told.settings)["fct_work_orders"] if row["order_id"] == f"O7 {DROP}"
    ]
    assert (found["technician_id"], found["area_id"]) == (TECHNICIAN, f"area {DROP}")
    assert (found["status"], found["resolution"]) == ("completed", None)
    names = {row["technician_id"] for row in marts(told.settings)["dim_technicians"]}
    assert TECHNICIAN in names


def test_a_hostile_correction_names_nothing_but_what_it_names(told) -> None:
    found = rows(told.settings, "select correction_id, reason_code from ops.corrections")
    assert {row["correction_id"]: row["reason_code"] for row in found} == {
        f"feed {DROP}": "feed_unknown",
        f"field {DROP}": "field_not_correctable",
        f"value {DROP}": None,
    }
    query = "select fault_code from staging.stg_work_orders where order_id = %s"
    assert rows(told.settings, query, [f"O7 {DROP}"]) == [{"fault_code": DROP}]


def test_the_ledger_knows_hostile_files_and_rows_by_their_names(told) -> None:
    loads = rows(told.settings, "select file from ops.loads where feed = 'work_orders'")
    assert loads == [{"file": told.file}]
    [reject] = rows(told.settings, "select * from ops.rejects")
    assert (reject["column_name"], reject["reason"]) == ("status", "unknown word")
    assert reject["row"]["order_id"] == f"bad {DROP}"
    assert reject["row"]["extra"] == {f"note {DROP}": QUOTED, f"note {QUOTED}": DROP}
    assert f"undeclared columns, not kept: {[f'undeclared {DROP}']}" in told.said


def test_the_data_docs_show_hostile_names_as_text(told) -> None:
    page = (told.settings.home / "data_docs" / "index.html").read_text()
    assert "work_orders" in page
    assert SCRIPT not in page


@pytest.mark.parametrize("name", ["work_orders'; drop schema raw.yml", "ops.loads.yml"])
def test_a_declaration_with_a_hostile_name_stops_the_night(
    site: Site, tiny_published, name
) -> None:
    settings = site.go_back(tiny_published)
    before = marts(settings)
    (site.feeds / name).write_text("{}\n")
    with pytest.raises(FieldscoreError, match="file name: must be one of"):
        run_night(settings, TINY_NIGHT)
    assert marts(settings) == before
