"""A policy that does not add up is refused, with file and row, before anything is computed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from fieldscore import policy
from fieldscore.errors import FieldscoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policy, to spoil."""
    return Path(shutil.copytree(policy.POLICY, tmp_path / "policy"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.csv"
    text = path.read_text()
    assert old in text, f"{name}.csv does not hold {old!r}"
    path.write_text(text.replace(old, new, 1))


def add(folder: Path, name: str, *lines: str) -> None:
    with (folder / f"{name}.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def refusals(folder: Path) -> list[str]:
    with pytest.raises(FieldscoreError) as refused:
        policy.validate(folder)
    head, *told = str(refused.value).splitlines()
    assert head == "The policy does not add up:"
    return [line.strip() for line in told]


def test_the_shipped_policy_adds_up() -> None:
    policy.validate()
    assert {path.stem for path in policy.POLICY.glob("*.csv")} == set(policy.FILES)


Spoil = Callable[[Path], None]


def changed(name: str, old: str, new: str) -> Spoil:
    return lambda folder: change(folder, name, old, new)


def added(name: str, *lines: str) -> Spoil:
    return lambda folder: add(folder, name, *lines)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        # What does not add up.
        (
            changed("kpi_weights", "csat_top2,30", "csat_top2,31"),
            "kpi_weights.csv: row {last}: the weights in force on 2015-01-01 add up to 101",
        ),
        (
            changed("kpi_weights", "x,5,2015-01-01,,Handbook 3\n", "x,5,2015-01-01,2026-04-01,3\n"),
            "kpi_weights.csv: row {last}: the weights in force on 2026-04-01 add up to 95, not 100",
        ),
        (
            changed("kpi_weights", "csat_top2,30", "csat_top2,29"),
            "kpi_weights.csv: row 2: csat_top2 weighs 29 on 2015-01-01; it must weigh 30 to 50",
        ),
        (
            changed("kpi_weights", "csat_top2,30", "csat_top2,51"),
            "kpi_weights.csv: row 2: csat_top2 weighs 51 on 2015-01-01; it must weigh 30 to 50",
        ),
        (
            changed("kpi_weights", "on_time_24h,12", "on_time_24h,11"),
            "kpi_weights.csv: row {last}: quality : workload is 54 : 35 on 2015-01-01;"
            " it must be 60 : 40",
        ),
        (
            changed("kpi_targets", "v1,completion,", "v1,csat_top2,"),
            "kpi_weights.csv: row 8: completion has no target on 2015-01-01",
        ),
        (
            changed("standard_work", "v1,repair,air_conditioner,COOL", "v1,repair,,COOL"),
            "standard_work.csv: row 4: a fault family needs its appliance category",
        ),
        (
            changed("standard_work", "2014-12-01", "2015-01-02"),
            "standard_work.csv: row 2: it holds before it was agreed on 2015-01-02",
        ),
        (
            changed("standard_work", "v1,install,", "v1,instal,"),
            "standard_work.csv: row 10: service_type instal is none of repair, install, maintain,",
        ),
        (
            changed("standard_work", ",1,60,0.5,30,", ",1,0,0.5,30,"),
            "standard_work.csv: row 2: minutes: Input should be greater than 0",
        ),
        (
            changed("recognition_points", "v1,praise,", "v1,applause,"),
            "recognition_points.csv: row 2: recognition_kind applause is none of praise, referral,",
        ),
        (
            changed("excused_pause_owners", "v1,parts,", "v1,part,"),
            "excused_pause_owners.csv: row 3: owner part is none of customer, parts, company,",
        ),
        (
            changed("limits", "v1,repeat,7", "v1,repeats,7"),
            "limits.csv: row 4: limit_code: Input should be 'on_time', 'completion', 'repeat',",
        ),
        (
            changed("limits", "24,hours,2015-01-01,,", "24,hours,2015-01-01,2026-01-01,"),
            "limits.csv: row 2: on_time is in force on no day from 2026-01-01 on",
        ),
        (
            changed("case_exclusions", "v1,remote_fix,", "v1,remote,"),
            "case_exclusions.csv: row 154: case_code: Input should be 'duplicate_or_test',",
        ),
        (
            changed("kpi_catalog", ",complaints,share,", ",complaint,share,"),
            "kpi_catalog.csv: row 5: feed: Input should be 'work_orders', 'surveys',",
        ),
        # Validity.
        (
            added("kpi_targets", "v2,csat_top2,0.60,0.85,0.95,20,2026-01-01,,Twice in force"),
            "kpi_targets.csv: row {last}: csat_top2 is in force twice, see row 2",
        ),
        (
            added("case_exclusions", "v2,duplicate_or_test,csat_top2,2026-01-01,,Twice"),
            "case_exclusions.csv: row {last}: duplicate_or_test, csat_top2 is in force twice,"
            " see row 2",
        ),
        (
            added("calendar_days", "v1,standard,2026-01-01,,,New Year again"),
            "calendar_days.csv: row {last}: standard, 2026-01-01, None is in force twice",
        ),
        (
            changed("limits", "24,hours,2015-01-01,,", "24,hours,2015-01-01,2015-01-01,"),
            "limits.csv: row 2: valid_to 2015-01-01 does not lie after valid_from 2015-01-01",
        ),
        # Rows.
        (
            changed("kpi_targets", "0.60,0.85,0.95", "0.60,0.50,0.95"),
            "kpi_targets.csv: row 2: csat_top2: target 0.50 does not lie between floor 0.60 and"
            " stretch 0.95",
        ),
        (
            changed("kpi_targets", "1.5,1,0.8", "1.5,1.5,0.8"),
            "kpi_targets.csv: row 12: parts_cost_index: target 1.5 does not lie between floor 1.5"
            " and stretch 0.8",
        ),
        (
            added("kpi_weights", "v1,csat_top3,0,2015-01-01,,No such KPI"),
            "kpi_weights.csv: row {last}: unknown KPI csat_top3; kpi_catalog.csv has",
        ),
        (
            added("benchmark_defaults", "v1,csat_top3,30,points,2015-01-01,,No such KPI"),
            "benchmark_defaults.csv: row {last}: unknown KPI csat_top3; kpi_catalog.csv has",
        ),
        (
            changed("limits", "on_time,24,hours,2015-01-01", "on_time,24,hours,01/01/2015"),
            "limits.csv: row 2: valid_from: Input should be a valid date",
        ),
        (
            changed("kpi_weights", "csat_top2,30,", "csat_top2,thirty,"),
            "kpi_weights.csv: row 2: weight: Input should be a valid decimal",
        ),
        (
            changed("kpi_weights", "csat_top2,30,", "csat_top2,-30,"),
            "kpi_weights.csv: row 2: weight: Input should be greater than or equal to 0",
        ),
        (
            changed("kpi_catalog", ",quality,up,rate,", ",kindness,up,rate,"),
            "kpi_catalog.csv: row 2: family: Input should be 'quality', 'workload' or 'cost'",
        ),
        (
            changed("limits", "Handbook 3: on_time_24h", ""),
            "limits.csv: row 2: reason: Input should be a valid string",
        ),
        (
            changed("limits", "Handbook 3: on_time_24h", "Handbook 3, on_time_24h"),
            "limits.csv: row 2: it has more fields than there are columns",
        ),
        (
            changed("calendar_hours", "08:00,18:00", "18:00,08:00"),
            "calendar_hours.csv: row 2: closes must lie after opens, or both be empty",
        ),
        (
            added("calendar_hours", "v1,standard,1,17:59,20:00,2026-01-01,,Evenings"),
            "calendar_hours.csv: row {last}: its hours overlap those of row 2",
        ),
        (
            added("calendar_days", "v1,standard,2026-01-01,09:00,12:00,A holiday with hours"),
            "calendar_days.csv: row {last}: its hours overlap those of row 4",
        ),
        (
            changed("calendar_days", "2026-02-22,09:00,17:00", "2026-02-22,09:00,"),
            "calendar_days.csv: row 8: closes must lie after opens, or both be empty",
        ),
        # Files.
        (
            changed("limits", "value,unit", "unit"),
            "limits.csv: row 1: the columns must be",
        ),
        (
            lambda folder: (folder / "limits.csv").rename(folder / "limit.csv"),
            "limits.csv: the file is missing",
        ),
        (
            lambda folder: (folder / "limits.csv").rename(folder / "limit.csv"),
            "limit.csv: no such policy; is its name misspelt?",
        ),
        (
            lambda folder: (folder / "kpi_weights.csv").write_text(
                (folder / "kpi_weights.csv").read_text().splitlines()[0] + "\n"
            ),
            "kpi_weights.csv: it holds no weights",
        ),
    ],
)  # fmt: skip
def test_a_policy_that_does_not_add_up_is_refused_with_file_and_row(
    folder: Path, spoil: Spoil, told: str
) -> None:
    spoil(folder)
    found = refusals(folder)
    file = folder / told.partition(":")[0]
    if file.exists():
        told = told.format(last=len(file.read_text().splitlines()))
    assert any(line.startswith(told) for line in found), found


def test_hours_may_touch_and_be_in_force_one_after_the_other(folder: Path) -> None:
    add(folder, "calendar_hours", "v1,standard,1,18:00,20:00,2015-01-01,2026-01-01,Evenings")
    add(folder, "calendar_hours", "v2,standard,1,18:30,20:00,2026-01-01,,Evenings after a break")
    add(folder, "calendar_days", "v1,standard,2026-02-22,17:00,18:00,An hour more to make up")
    policy.validate(folder)


def test_everything_wrong_is_said_at_once(folder: Path) -> None:
    change(folder, "kpi_weights", "csat_top2,30,", "csat_top2,thirty,")
    change(folder, "limits", "on_time,24,hours,2015-01-01", "on_time,24,hours,soon")
    add(folder, "survey_reasons", "v1,mood,perhaps,2015-01-01,,Not a boolean")
    files = [line.split(":")[0] for line in refusals(folder)]
    assert files == ["kpi_weights.csv", "limits.csv", "survey_reasons.csv"]


def test_the_shares_of_a_new_version_hold_from_its_first_day(folder: Path) -> None:
    """Weights may change when the old rows end on the day the new ones begin."""
    path = folder / "kpi_weights.csv"
    head, *rows = path.read_text().splitlines()
    ended = [row.replace(",2015-01-01,,", ",2015-01-01,2026-07-01,") for row in rows]
    begun = [row.replace("v1,", "v2,").replace(",2015-01-01,,", ",2026-07-01,,") for row in rows]
    begun = [row.replace("csat_top2,30", "csat_top2,40") for row in begun]
    begun = [row.replace("first_time_fix,10", "first_time_fix,0") for row in begun]
    assert begun != ended
    path.write_text("\n".join([head, *ended, *begun]) + "\n")
    policy.validate(folder)
    versions = [policy.version_on(day, folder) for day in (date(2026, 6, 30), date(2026, 7, 1))]
    assert versions == ["v1", "v2"]
    # Nobody may end them a day early.
    path.write_text(path.read_text().replace("2026-07-01,Handbook", "2026-06-30,Handbook"))
    assert any("in force on 2026-06-30 add up to 0, not 100" in line for line in refusals(folder))


def test_the_fingerprint_changes_with_what_the_files_say(folder: Path) -> None:
    before = policy.fingerprint(folder)
    assert before == policy.fingerprint()
    change(folder, "limits", "on_time,24,", "on_time,25,")
    assert policy.fingerprint(folder) != before
