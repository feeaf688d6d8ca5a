"""Bad input: what is said, what is kept, and that the earlier marts still stand."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from fieldscore import night, policy
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.replay import replay
from fieldscore.settings import Settings
from fieldscore.sources import files
from nights import (
    CORE,
    TINY,
    Row,
    Site,
    deliver,
    expense,
    marts,
    open_night,
    order,
    rows,
    run_night,
    run_of,
    silent,
    survey,
    take_steps,
)

NIGHT, NEXT_NIGHT = date(2026, 2, 2), date(2026, 2, 3)
MONTH = "2026-02"
GOOD = {
    "work_orders": [order("O9", "02 09:00", "02 09:10", "02 10:00", MONTH)],
    "surveys": TINY["surveys"][:1],
    "expenses": TINY["expenses"][:1],
}


@pytest.fixture
def tiny(site: Site, tiny_published: str) -> Iterator[SimpleNamespace]:
    """The tiny company with its night published and a good delivery for the next one.

    Whatever a test does to that delivery, the earlier marts stand when it has ended.
    """
    settings = site.go_back(tiny_published)
    for feed, records in GOOD.items():
        deliver(settings, feed, NIGHT, records)
    before = marts(settings)
    yield SimpleNamespace(settings=settings, site=site)
    assert marts(settings) == before


def stopped(settings: Settings) -> tuple[str, Row]:
    """Run the night, which must fail; what is said, and what ops.runs keeps of it."""
    with pytest.raises(FieldscoreError) as wrong:
        run_night(settings, NIGHT)
    run = run_of(settings)
    assert (run["business_date"], run["status"], run["published_at"]) == (NIGHT, "failed", None)
    assert run["message"] == str(wrong.value)
    return str(wrong.value), run


def landed(settings: Settings) -> set[str]:
    """The feeds of which the night's delivery is in the ledger."""
    query = "select feed from ops.loads where business_date = %s"
    return {load["feed"] for load in rows(settings, query, [NIGHT])}


def file_of(settings: Settings, feed: str) -> Path:
    return Path(settings.landing) / feed / str(NIGHT) / "delivery.csv"


# --- files that stop the night -------------------------------------------------------------------


def test_a_missing_core_feed_stops_the_night_before_anything_changes(tiny) -> None:
    shutil.rmtree(file_of(tiny.settings, "surveys").parent)
    said, _ = stopped(tiny.settings)
    folder = f"{tiny.settings.landing}/surveys/{NIGHT}"
    assert said.startswith(f"surveys: no delivery for {NIGHT}: no file in {folder}.")
    assert "Bring it and run the night again" in said
    assert landed(tiny.settings) == set()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty (0 bytes); ask for it again"),
        (b"survey_id,order_id,sent_at,answered_at,rating,updated_at\n", "the file has no rows"),
    ],
)
def test_an_empty_file_stops_the_night_and_what_landed_before_it_stays(
    tiny, content: bytes, told: str
) -> None:
    file_of(tiny.settings, "surveys").write_bytes(content)
    said, _ = stopped(tiny.settings)
    assert said.startswith(f"surveys: {NIGHT}/delivery.csv: {told}")
    assert "may_be_empty: true" in said
    assert landed(tiny.settings) == {"work_orders"}


def test_a_wrong_header_stops_the_night_and_names_what_is_missing(tiny) -> None:
    file = file_of(tiny.settings, "expenses")
    file.write_text("张伟,13800000000\n李娜,13900000000\n", encoding="utf-8")
    said, _ = stopped(tiny.settings)
    assert said.startswith(f"expenses: {NIGHT}/delivery.csv: ")
    assert "expense_id" in said
    assert "张伟" not in said and "138" not in said  # it may be a row, and rows are personal
    assert landed(tiny.settings) == {"work_orders", "surveys"}


def test_an_encoding_that_is_not_the_declared_one_stops_the_night_and_is_located(tiny) -> None:
    file = file_of(tiny.settings, "work_orders")
    comment = file.read_text().replace("COOL-01", "制冷-01")
    file.write_bytes(comment.encode("gb18030"))
    said, _ = stopped(tiny.settings)
    assert said.startswith(f"work_orders: {NIGHT}/delivery.csv: byte ")
    assert "(line 2) is not utf-8; declare the encoding the file has" in said
    assert landed(tiny.settings) == set()
    # Declared as it is, the same file goes in.
    (tiny.site.feeds / "work_orders.yml").write_text("required: true\nencoding: gb18030\n")
    run_id = open_night(tiny.settings, NIGHT)
    take_steps(tiny.settings, run_id, NIGHT, "land", "close_night")
    assert landed(tiny.settings) == set(CORE)


def test_an_unknown_encoding_is_refused_with_the_declaration(tiny) -> None:
    (tiny.site.feeds / "surveys.yml").write_text("required: true\nencoding: latin-9\n")
    said, _ = stopped(tiny.settings)
    assert "surveys.yml: encoding: " in said
    assert landed(tiny.settings) == set()


def test_a_column_that_is_gone_stops_the_night_and_is_named(tiny) -> None:
    file = file_of(tiny.settings, "surveys")
    file.write_text(file.read_text().replace("rating", "stars", 1))
    said, _ = stopped(tiny.settings)
    assert said.startswith(f"surveys: {NIGHT}/delivery.csv: ")
    assert "rating" in said and "stars" in said
    assert landed(tiny.settings) == {"work_orders"}


def test_a_file_that_changes_while_it_is_read_is_read_again_later(tiny, monkeypatch) -> None:
    file = file_of(tiny.settings, "expenses")
    whole = file.read_text()
    listed = files._files

    def growing(*where):
        store, found = listed(*where)
        if found and found[0].path.endswith("delivery.csv") and "/expenses/" in found[0].path:
            read = store.cat_file

            def cat_file(path: str) -> bytes:
                data = read(path)
                with file.open("a") as writer:
                    writer.write("E99,T1,2026-02-02,travel")  # somebody is not done yet
                return data

            monkeypatch.setattr(store, "cat_file", cat_file, raising=False)
        return store, found

    run_id = open_night(tiny.settings, NIGHT)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(files, "_files", growing)
        with pytest.raises(PassingFault) as fault:
            take_steps(tiny.settings, run_id, NIGHT, "land")
    monkeypatch.undo()
    told = f"expenses: {NIGHT}/delivery.csv: the file changed while it was read"
    assert str(fault.value).startswith(told)
    assert "rename it when it is whole" in str(fault.value)
    assert landed(tiny.settings) == {"work_orders", "surveys"}
    # The same run goes on when the file is whole: a passing fault is tried again.
    file.write_text(whole)
    take_steps(tiny.settings, run_id, NIGHT, "land", "close_night")
    assert landed(tiny.settings) == set(CORE)


# --- columns that drift ---------------------------------------------------------------------------

MANY = {
    "work_orders": [
        order(f"N{n}", *("02 09:00", "02 09:10", "02 10:00"), MONTH) for n in range(30)
    ],
    "surveys": [survey(f"N{n}", "O1", "31 16:00", "31 18:00", 1 + n % 5) for n in range(30)],
}


@pytest.mark.parametrize(
    ("feed", "column", "says", "told"),
    [
        ("surveys", "rating", "5.0", "ratings lie on the scale from 1 to 5"),
        ("surveys", "updated_at", "", "say when they came to be"),
        ("work_orders", "status", "klaar", "rows have a status of ours"),
        ("work_orders", "technician_id", "", "completed rows name their technician"),
    ],
)
def test_a_column_that_says_something_else_stops_the_night_at_the_raw_gate(
    tiny, feed: str, column: str, says: str, told: str
) -> None:
    deliver(tiny.settings, feed, NIGHT, [record | {column: says} for record in MANY[feed]])
    said, run = stopped(tiny.settings)
    assert run["failed_gate"] == "raw"
    assert told in said


COLUMNS_GONE = (
    "select success, severity, observed from ops.quality_results where run_id = %s"
    " and expectation like '%%Every column of a feed''s last delivery%%'"
)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ((), (True, [])),
        (
            ("assigned_at", "priority"),
            (False, [{"feed": "work_orders", "columns_gone": "assigned_at, priority"}]),
        ),
    ],
)
def test_a_column_that_nobody_must_deliver_is_missed(tiny, gone: tuple, told: tuple) -> None:
    """Who waited is unknown without assigned_at: right perhaps, but never without a word."""
    file = file_of(tiny.settings, "work_orders")
    table = pl.read_csv(file, infer_schema=False)
    table.drop(gone).write_csv(file)
    run_id = open_night(tiny.settings, NIGHT)
    take_steps(tiny.settings, run_id, NIGHT, "check_declarations", "land", "check_raw")
    night.close_night(tiny.settings, run_id, say=silent)
    [finding] = rows(tiny.settings, COLUMNS_GONE, [run_id])
    assert (finding["success"], finding["observed"].get("examples", [])) == told
    assert finding["severity"] == "warning"


# --- zones and policy ----------------------------------------------------------------------------


def test_an_unknown_time_zone_of_an_area_stops_the_night_and_is_never_a_silent_utc(tiny) -> None:
    settings = tiny.settings
    (tiny.site.feeds / "areas.yml").write_text("required: false\n")
    mars = {
        "area_id": "A1",
        "name": "Olympus",
        "time_zone": "Mars/Olympus",
        "calendar_id": "retail",
    }
    deliver(settings, "areas", NIGHT, [mars])
    deliver(settings, "work_orders", NIGHT, [GOOD["work_orders"][0] | {"area_id": "A1"}])
    said, run = stopped(settings)
    assert run["failed_gate"] == "marts"
    assert "audit.dim_areas" in said and "No area whose time zone is unknown" in said
    assert "area_id A1, time_zone Mars/Olympus" in said
    [reject] = rows(settings, "select * from ops.rejects")
    assert (reject["file"], reject["row_number"], reject["column_name"], reject["reason"]) == (
        "delivery.csv",
        1,
        "time_zone",
        "not a zone",
    )
    assert reject["row"]["time_zone"] == "Mars/Olympus"


def test_an_unknown_time_zone_of_a_declaration_is_refused(tiny) -> None:
    (tiny.site.feeds / "surveys.yml").write_text("required: true\ntime_zone: Mars/Olympus\n")
    said, _ = stopped(tiny.settings)
    assert "surveys.yml: time_zone: " in said and "Mars/Olympus" in said
    assert landed(tiny.settings) == set()


def test_an_unknown_time_zone_of_the_project_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("FIELDSCORE_TIME_ZONE", "Mars/Olympus")
    with pytest.raises(
        FieldscoreError, match="FIELDSCORE_TIME_ZONE: 'Mars/Olympus' is not an IANA"
    ):
        Settings.from_environment()


def test_a_policy_that_does_not_add_up_stops_the_night_with_file_and_row(
    tiny, tmp_path: Path, monkeypatch
) -> None:
    spoilt = tmp_path / "policy"
    shutil.copytree(policy.POLICY, spoilt)
    weights = spoilt / "kpi_weights.csv"
    weights.write_text(weights.read_text().replace("csat_top2,30,", "csat_top2,31,"))
    monkeypatch.setattr(policy, "validate", partial(policy.validate, spoilt))
    said, _ = stopped(tiny.settings)
    assert said.startswith("The policy does not add up:")
    told = r"kpi_weights.csv: row \d+: the weights in force on 2015-01-01 add up to 101, not 100"
    assert re.search(told, said)
    assert landed(tiny.settings) == set()


# --- rows that do not stop the night -------------------------------------------------------------


@pytest.fixture(scope="module")
def dirty(site: Site, tiny_published: str) -> SimpleNamespace:
    """A night with a bad row of every kind, published nevertheless."""
    settings = site.go_back(tiny_published)
    before = marts(settings)
    (site.feeds / "technicians.yml").write_text("required: false\n")
    known = [
        {"technician_id": t, "name": t, "area_id": "none", "updated_at": "2026-02-01 09:00"}
        for t in ("T1", "T2")
    ]
    deliver(settings, "technicians", NIGHT, known)
    for feed, records in GOOD.items():
        deliver(settings, feed, NIGHT, records)
    done = ("02 09:00", "02 09:10", "02 10:00", MONTH)
    [good] = GOOD["work_orders"]
    twice = order("O12", *done, priority="low", appliance_serial="")
    records = [
        good,
        order("O10", *done) | {"completed_at": "31.02. at noon"},
        order("O11", *done) | {"updated_at": "2027-02-02T10:00:00+08:00"},
        twice,
        twice | {"fault_code": "NOISE-01"},
        good,
        order("O13", *done, technician_id="T99"),
    ]
    path = deliver(settings, "work_orders", NIGHT, records)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},mood", *(f"{line},grim" for line in lines)]) + "\n")
    deliver(settings, "expenses", NIGHT, [*GOOD["expenses"], expense("E9", 31, "-35.00")])
    said: list[str] = []
    run_id = run_night(settings, NIGHT, say=said.append)
    return SimpleNamespace(
        kept=site.keep("dirty"),
        said=said,
        run=run_of(settings, run_id),
        before=before,
        marts=marts(settings),
        raw=rows(settings, "select * from raw.work_orders where load_id > 3 order by row_number"),
        rejects=rows(settings, "select * from ops.rejects order by feed, row_number"),
        accounting=rows(
            settings, "select * from ops.accounting where load_id > 3 order by load_id"
        ),
        warnings=rows(
            settings,
            "select table_name, expectation, observed from ops.quality_results"
            " where run_id = %s and not success",
            [run_id],
        ),
    )


def order_of(dirty: SimpleNamespace, order_id: str) -> list[Row]:
    return [o for o in dirty.marts["fct_work_orders"] if o["order_id"] == order_id]


def reject_of(dirty: SimpleNamespace, feed: str, number: int) -> Row:
    [reject] = [r for r in dirty.rejects if (r["feed"], r["row_number"]) == (feed, number)]
    assert reject["file"] == "delivery.csv"
    return reject


def test_bad_rows_do_not_stop_a_night_and_change_nothing_else(dirty) -> None:
    assert dirty.run["status"] == "published"
    earlier = [o for o in dirty.marts["fct_work_orders"] if o in dirty.before["fct_work_orders"]]
    assert len(earlier) == len(dirty.before["fct_work_orders"]) == len(TINY["work_orders"])
    new = [o["order_id"] for o in dirty.marts["fct_work_orders"] if o not in earlier]
    assert new == ["O12", "O13", "O9"]
    assert len(dirty.rejects) == 3


def test_an_unparsable_date_is_rejected_with_file_row_and_column(dirty) -> None:
    reject = reject_of(dirty, "work_orders", 2)
    assert (reject["column_name"], reject["reason"]) == ("completed_at", "not a timestamp")
    assert reject["row"]["completed_at"] == "31.02. at noon"
    assert order_of(dirty, "O10") == []
    assert [r["completed_at"] for r in dirty.raw if r["order_id"] == "O10"] == ["31.02. at noon"]


def test_a_future_date_is_rejected_with_file_row_and_column(dirty) -> None:
    reject = reject_of(dirty, "work_orders", 3)
    assert (reject["column_name"], reject["reason"]) == ("updated_at", "ahead of its delivery")
    assert reject["row"]["updated_at"] == "2027-02-02T10:00:00+08:00"
    assert order_of(dirty, "O11") == []


def test_negative_money_is_rejected_with_file_row_and_column(dirty) -> None:
    reject = reject_of(dirty, "expenses", 2)
    assert (reject["column_name"], reject["reason"]) == ("amount", "below 0")
    assert reject["row"]["amount"] == "-35.00"
    assert not [e for e in dirty.marts["fct_kpi_events"] if "E9" in e["record_key"]]


def test_of_duplicate_keys_the_later_row_counts_and_the_other_is_accounted_for(dirty) -> None:
    [found] = order_of(dirty, "O12")
    # What dispatch knew is the first version's; the row that is current is the second.
    assert (found["fault_code"], found["status"]) == ("COOL-01", "completed")
    [orders] = [load for load in dirty.accounting if load["feed"] == "work_orders"]
    fates = ("delivered", "current_rows", "superseded", "unchanged", "rejected")
    # O9, O12's second and O13; O12's first; O9 once more; O10 and O11.
    assert [orders[fate] for fate in fates] == [7, 3, 1, 1, 2]
    assert len([r for r in dirty.raw if r["order_id"] == "O12"]) == 2


def test_an_unknown_technician_is_kept_shown_and_told(dirty) -> None:
    [found] = order_of(dirty, "O13")
    assert found["accountable_technician_id"] == "T99"
    technicians = {t["technician_id"]: t["is_registered"] for t in dirty.marts["dim_technicians"]}
    assert technicians == {"T1": True, "T2": True, "T99": False}
    told = {warning["table_name"]: warning["observed"] for warning in dirty.warnings}
    assert told["raw.work_orders"]["examples"] == [{"technician_id": "T99", "rows_naming_him": 1}]
    assert told["audit.dim_technicians"]["unexpected_rows"] == 1


def test_a_new_column_is_told_and_not_kept(dirty) -> None:
    told = [line for line in dirty.said if "undeclared columns, not kept" in line]
    assert told == [f"work_orders {NIGHT} 'delivery.csv': undeclared columns, not kept: ['mood']"]
    assert len(dirty.raw) == 6
    assert not any("grim" in str(row.values()) for row in dirty.raw)


def test_rejected_rows_are_told_by_the_gate(dirty) -> None:
    told = [w["expectation"] for w in dirty.warnings if w["table_name"] == "ops.accounting"]
    assert told == [
        "unexpected_rows_expectation: At most 1 of 100 rows delivered tonight is rejected;"
        " ops.rejects says which and why."
    ]


# --- rejects, corrected and replayed --------------------------------------------------------------


REPLAYS = "select * from ops.loads where starts_with(file, 'replay')"


@pytest.fixture(scope="module")
def replayed(site: Site, dirty: SimpleNamespace) -> SimpleNamespace:
    """The dirty night's rejected orders, of which a person corrected one and left the other."""
    settings = site.go_back(dirty.kept)
    [load] = [load for load in dirty.accounting if load["feed"] == "work_orders"]
    found = SimpleNamespace(said=[], before=dirty.accounting)
    assert replay(settings, load["load_id"], say=found.said.append) is None
    [draft] = (site.landing / "work_orders" / str(NIGHT)).glob("replay*")
    found.draft, found.text = draft.name, draft.read_text()
    run_id = run_night(settings, NIGHT)
    found.not_read = rows(settings, REPLAYS)
    found.landed_only = run_of(settings, run_id)["status"]
    draft.write_text(found.text.replace("31.02. at noon", "2026-02-02T11:00:00+08:00"))
    found.night = replay(settings, load["load_id"], say=found.said.append)
    run_night(settings, found.night)
    for feed, records in GOOD.items():
        deliver(settings, feed, NEXT_NIGHT, records)
    run_night(settings, NEXT_NIGHT)
    found.marts, found.accounting = marts(settings), rows(settings, "select * from ops.accounting")
    [found.load] = rows(settings, REPLAYS)
    found.again = refusal(settings, load["load_id"])
    found.of_a_clean_load = refusal(settings, found.load["load_id"])
    found.of_no_load = refusal(settings, 999)
    return found


def refusal(settings: Settings, load_id: int) -> str:
    with pytest.raises(FieldscoreError) as refused:
        replay(settings, load_id, say=silent)
    return str(refused.value)


def test_the_rejected_rows_of_a_load_are_written_out_as_delivered_and_said(replayed) -> None:
    assert replayed.said[:2] == [
        "row 2: completed_at: not a timestamp",
        "row 3: updated_at: ahead of its delivery",
    ]
    assert "2 rejected rows of load" in replayed.said[2] and replayed.draft in replayed.said[2]
    header, *lines = replayed.text.splitlines()
    assert header.endswith(",mood") and [line.split(",")[0] for line in lines] == ["O10", "O11"]
    assert all(line.endswith(",grim") for line in lines)


def test_no_night_reads_them_before_they_are_delivered(replayed) -> None:
    assert replayed.draft.endswith(".part")
    assert (replayed.landed_only, replayed.not_read) == ("landed", [])


def test_a_corrected_reject_counts_and_everything_is_accounted_for(replayed) -> None:
    assert replayed.night == replayed.load["business_date"] == NIGHT
    orders = {o["order_id"] for o in replayed.marts["fct_work_orders"]}
    assert "O10" in orders and "O11" not in orders
    [fate] = [f for f in replayed.accounting if f["load_id"] == replayed.load["load_id"]]
    # What nobody corrected is a row that raw holds already.
    fates = ("delivered", "current_rows", "superseded", "unchanged", "rejected")
    assert [fate[name] for name in fates] == [2, 1, 0, 1, 0]
    for fate in replayed.accounting:
        assert fate["delivered"] == sum(fate[name] for name in fates[1:])
    assert [f for f in replayed.accounting if f in replayed.before] == replayed.before


def test_a_load_is_replayed_once_and_only_with_rejects(replayed) -> None:
    assert "was replayed before, as replay-of-load-" in replayed.again
    assert "Nothing of load" in replayed.of_a_clean_load
    assert replayed.of_no_load.startswith("There is no load 999;")


def test_a_delivery_that_is_not_there_as_it_landed_is_not_replayed(site: Site, dirty) -> None:
    settings = site.go_back(dirty.kept)
    [load] = [load for load in dirty.accounting if load["feed"] == "expenses"]
    file = file_of(settings, "expenses")
    file.write_text(file.read_text() + "E10,T1,2026-02-02,travel,1,approved\n")
    assert "the file is not there any more as it was landed" in refusal(settings, load["load_id"])
    file.unlink()
    assert "the file is not there any more as it was landed" in refusal(settings, load["load_id"])
    (site.feeds / "expenses.yml").unlink()
    assert "correct the records where they come from" in refusal(settings, load["load_id"])


def test_dates_that_nothing_can_read_stop_the_night_as_a_wrong_declaration(tiny) -> None:
    unread = [survey(f"S{n}", "O9", "31 11:00", "31 12:00", 5) for n in range(30)]
    for record in unread:
        record["sent_at"] = record["sent_at"].replace("-", "/")
    deliver(tiny.settings, "surveys", NIGHT, unread)
    said, run = stopped(tiny.settings)
    assert run["failed_gate"] == "marts"
    assert "ops.accounting" in said and "fewer is a wrong declaration" in said
    rejects = rows(tiny.settings, "select column_name, reason from ops.rejects")
    assert len(rejects) == 30
    assert {tuple(reject.values()) for reject in rejects} == {("sent_at", "not a timestamp")}
    # Declared as they are written, the raw rows are read again and the night goes on.
    declaration = 'required: true\ntimestamp_formats: ["%Y/%m/%dT%H:%M:%S%z"]\n'
    (tiny.site.feeds / "surveys.yml").write_text(declaration)
    run_id = open_night(tiny.settings, NIGHT)
    take_steps(tiny.settings, run_id, NIGHT, "check_declarations", "stage")
    night.close_night(tiny.settings, run_id, say=silent)
    [read] = rows(
        tiny.settings,
        "select count(*) as good, min(sent_at)::text as sent_at from staging.base_surveys"
        " where problems is null and load_id > 3",
    )
    assert read == {"good": 30, "sent_at": "2026-01-31 03:00:00"}
