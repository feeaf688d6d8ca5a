"""Personal values are kept as hashes alone, and of an erased customer not even those."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from fieldscore import erasure, night, policy, warehouse
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError
from fieldscore.feeds import load_declarations
from fieldscore.hashes import keyed_hash, personal_key
from fieldscore.landing import land_feed
from fieldscore.settings import PROJECT, Settings
from nights import (
    TINY,
    TINY_NIGHT,
    Row,
    Site,
    at,
    declare,
    deliver,
    marts,
    open_night,
    order,
    rows,
    run_night,
    silent,
    survey,
)
from psycopg import sql

NEXT_NIGHT = date(2026, 2, 1)

CUSTOMER, NEIGHBOUR = "C-4711", "C-0815"
PHONE, COMMENT, ANOTHER_COMMENT = "+86 555 0199", "dreadful smell", "and very dear"
STAFF = policy._read(policy.POLICY, "staff_respondents", policy._Wrong())[0][1].respondent_id
BASE_PAY = "7654.32"
PLAIN = (CUSTOMER, NEIGHBOUR, "555 0199", "dreadful", "very dear", STAFF, BASE_PAY)


def fridge(order_id: str, day: int, customer: str | None, **other: str) -> Row:
    """A repair of a fridge whose serial nobody wrote down: the customer tells what repeats it."""
    return order(
        order_id, f"{day:02} 08:00", f"{day:02} 08:30", f"{day:02} 12:00",
        **{"appliance_serial": "", "customer_id": customer, **other},
    )  # fmt: skip


ORDERS = [
    fridge("P1", 5, CUSTOMER, z_note='said "now"\\', a_note="é\t"),
    fridge("P2", 8, f" {CUSTOMER.lower()} "),  # comes back after three days
    fridge("P3", 12, NEIGHBOUR, a_note="left"),
    fridge("P4", 14, NEIGHBOUR),
    # Written down for one customer, then for the other.
    fridge("P5", 20, CUSTOMER, updated_at=at("20 12:00")),
    fridge("P5", 20, NEIGHBOUR, updated_at=at("20 13:00")),
    # Nobody's: two orders of an empty customer, two of one called NULL.
    fridge("N1", 6, ""),
    fridge("N2", 7, ""),
    fridge("N3", 6, "NULL", fault_code="WATER-01"),
    fridge("N4", 7, "NULL", fault_code="WATER-01"),
]
SURVEYS = [
    survey("R1", "P1", "05 13:00", "05 18:00", 5, respondent_id=CUSTOMER, comment=COMMENT),
    survey("R2", "P2", "08 13:00", "08 18:00", 1, respondent_id=PHONE, comment=COMMENT),
    # The same again, but for what was said.
    survey("R2", "P2", "08 13:00", "08 18:00", 1, respondent_id=PHONE, comment=ANOTHER_COMMENT),
    survey("R3", "P2", "08 14:00", "08 19:00", 5, respondent_id=STAFF),
    survey("R4", "P3", "12 13:00", "12 18:00", 4, respondent_id=NEIGHBOUR, comment="fine"),
]


def recognition(recognition_id: str, customer: str, day: int) -> Row:
    """A customer's praise of T1."""
    return {
        "recognition_id": recognition_id,
        "technician_id": "T1",
        "customer_id": customer,
        "kind": "praise",
        "occurred_on": f"2026-01-{day:02}",
        "evidence_ref": "call",
        "approved_by": "M1",
    }


# Two of the customer's in one quarter, and one of his neighbour's.
RECOGNITIONS = [
    recognition("G1", CUSTOMER, 6), recognition("G2", CUSTOMER, 9), recognition("G3", NEIGHBOUR, 9),
]  # fmt: skip


def correction(correction_id: str, feed: str, key: str, field: str, new_value: str) -> Row:
    """An upheld correction."""
    return {
        "correction_id": correction_id,
        "target_feed": feed,
        "target_key": key,
        "field": field,
        "new_value": new_value,
        "reason": "was wrong",
        "evidence_ref": "call",
        "decided_by": "M1",
        "decided_at": at("30 12:00"),
        "decision": "upheld",
    }


CORRECTIONS = [
    correction("FAULT", "work_orders", "P3", "fault_code", "COOL-09"),
    correction("CUSTOMER", "work_orders", "P1", " customer_id\u3000", CUSTOMER),
    correction("THEIR-WORDS", "Auftrag", "P1", "Kunde", CUSTOMER),
    correction("MISSPELT", "work_orders", "P1", "costumer_id", CUSTOMER),
    correction("COMMENT", "surveys", "R1", "comment", COMMENT),
    correction("DECLARED", "work_orders", "P1", "priority", PHONE),
    correction("BASE-PAY", "technicians", "T1", "base_pay", BASE_PAY),
    correction("ITSELF", "corrections", "CUSTOMER", "new_value", CUSTOMER),
]

DECLARATIONS = {
    "work_orders": "required: true\nharmless: [z_note, a_note]\npersonal: [priority]\n",
    "surveys": "required: true\n",
    "expenses": "required: true\n",
    "technicians": "{}\n",
    "recognitions": "{}\n",
    "corrections": "values: {target_feed: {Auftrag: work_orders}, field: {Kunde: customer_id}}\n",
}


def deliver_orders(settings: Settings, day: date, records: list[Row], name: str) -> None:
    """Orders in the canonical columns and two harmless ones."""
    columns = [*canonical_feeds()["work_orders"].columns, "z_note", "a_note"]
    path = Path(settings.landing) / "work_orders" / str(day) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


@pytest.fixture(scope="module")
def published(site: Site) -> SimpleNamespace:
    """The tiny company with customers and respondents, its night published; all that was said."""
    settings = site.clear()
    declare(site, **DECLARATIONS)
    for feed, records in TINY.items():
        deliver(settings, feed, TINY_NIGHT, records)
    deliver_orders(settings, TINY_NIGHT, ORDERS, "more.csv")
    deliver(settings, "surveys", TINY_NIGHT, SURVEYS, "more.csv")
    technician = {"technician_id": "T1", "name": "Wei", "area_id": "A1", "base_pay": BASE_PAY}
    deliver(settings, "technicians", TINY_NIGHT, [{**technician, "updated_at": at("01 00:00")}])
    deliver(settings, "recognitions", TINY_NIGHT, RECOGNITIONS)
    deliver(settings, "corrections", TINY_NIGHT, CORRECTIONS)
    said: list[str] = []
    run_night(settings, TINY_NIGHT, say=said.append)
    return SimpleNamespace(name=site.keep("personal"), said=said)


@pytest.fixture
def company(site: Site, published: SimpleNamespace) -> Settings:
    return site.go_back(published.name)


def holding(settings: Settings, text: str) -> set[str]:
    """The tables and views of the warehouse that hold a text anywhere."""
    found = set()
    with warehouse.connect(settings) as connection:
        relations = connection.execute(
            "select nspname, relname from pg_class join pg_namespace as rooms"
            " on rooms.oid = relnamespace where relkind in ('r', 'v')"
            " and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
        ).fetchall()
        assert len(relations) > 80
        for relation in relations:
            query = sql.SQL("select 1 from {} as r where strpos(lower(r::text), %s) > 0 limit 1")
            table = sql.Identifier(*relation)
            if connection.execute(query.format(table), [text.lower()]).fetchone():
                found.add(".".join(relation))
    return found


def hash_of(settings: Settings, text: str) -> str:
    return keyed_hash(text, personal_key(settings))


# --- where personal values are --------------------------------------------------------------------


def test_no_table_holds_a_personal_value_as_it_is(company) -> None:
    assert holding(company, "P1") >= {"raw.work_orders", "marts.fct_work_orders"}
    for value in PLAIN:
        expected = {"raw.technicians"} if value == BASE_PAY else set()
        assert holding(company, value) == expected, value


def test_the_hashes_of_customers_and_what_respondents_said_never_reach_the_marts(company) -> None:
    for value in (CUSTOMER, NEIGHBOUR, PHONE, COMMENT):
        rooms = {place.partition(".")[0] for place in holding(company, hash_of(company, value))}
        assert "raw" in rooms
        assert rooms <= {"raw", "staging", "intermediate"}, value


def test_a_correction_keeps_no_value_of_a_personal_column_and_says_so(company) -> None:
    found = rows(company, "select * from ops.corrections")
    assert {row["correction_id"]: (row["new_value"], row["reason_code"]) for row in found} == {
        "FAULT": ("COOL-09", None),
        "DECLARED": (None, "no_new_value"),
        **dict.fromkeys(
            ["CUSTOMER", "THEIR-WORDS", "MISSPELT", "COMMENT", "BASE-PAY", "ITSELF"],
            (None, "field_not_correctable"),
        ),
    }
    # Nor is there a trace of it by which a value could be tried: not even in the row's hash.
    again = [{**row, "new_value": "X-1"} for row in CORRECTIONS if row["correction_id"] != "FAULT"]
    deliver(company, "corrections", NEXT_NIGHT, again)
    declaration = load_declarations(company.feeds)["corrections"]
    url = warehouse.database_url(company)
    [load] = land_feed(company, url, declaration, NEXT_NIGHT, say=silent)
    assert load.unchanged == len(again)


def test_no_log_no_page_and_no_output_holds_a_personal_value(site, published) -> None:
    files = [
        path
        for path in site.settings.home.rglob("*")
        if path.is_file() and "secrets" not in path.parts
    ]
    assert {"index.html", "dbt.log"} <= {path.name for path in files}
    texts = {str(path): path.read_bytes() for path in files}
    texts["output"] = "\n".join(published.said).encode()
    assert b"work_orders" in texts["output"]
    secrets = [path.read_text() for path in (site.settings.home / "secrets").iterdir()]
    assert len(secrets) >= 2
    for place, text in texts.items():
        for value in (*PLAIN, *secrets):
            assert value.encode() not in text, place
    for secret in secrets:
        assert holding(site.settings, secret) == set()


def test_customers_without_a_name_are_not_one_and_the_same(company) -> None:
    repeats = rows(
        company, "select order_id from marts.fct_work_orders where is_repeat_7d order by order_id"
    )
    told = [row["order_id"] for row in repeats]
    assert {"P2", "P4"} <= set(told)
    assert not {"N1", "N2", "N3", "N4"} & set(told)
    [unknown] = rows(
        company,
        "select count(*) as orders from raw.work_orders"
        " where order_id like 'N%%' and customer_id is null",
    )
    assert unknown == {"orders": 4}


# --- erasing --------------------------------------------------------------------------------------


def erase(settings: Settings, customer: str = CUSTOMER) -> str:
    with warehouse.connect(settings) as connection:
        return erasure.erase(connection, settings, customer)


def test_an_erased_customer_is_nowhere_and_the_marts_stand(company) -> None:
    before, neighbour = marts(company), hash_of(company, NEIGHBOUR)
    said = erase(company)
    assert said.startswith(
        "Erased; rows changed in raw: work_orders 3, surveys 3, recognitions 2. "
    )
    assert CUSTOMER not in said
    assert holding(company, hash_of(company, CUSTOMER)) == {"ops.erased_customers"}
    for value in (PHONE, COMMENT, ANOTHER_COMMENT):
        assert holding(company, hash_of(company, value)) == set(), value
    assert holding(company, neighbour) == {
        "raw.work_orders",
        "raw.surveys",
        "raw.recognitions",
    }
    assert marts(company) == before


def test_his_orders_are_still_one_customers_and_a_staff_answer_is_still_void(company) -> None:
    erase(company)
    kept = rows(
        company, "select order_id, customer_id from raw.work_orders where customer_id is not null"
    )
    by_order: dict[str, set[str]] = {}
    for row in kept:
        by_order.setdefault(row["order_id"], set()).add(row["customer_id"])
    [his] = by_order["P1"]
    assert his.startswith("erased-")
    assert by_order["P2"] == {his}
    assert by_order["P5"] == {his, hash_of(company, NEIGHBOUR)}
    assert his not in by_order["P3"] | by_order["P4"]
    staffs = rows(company, "select respondent_id, comment from raw.surveys where survey_id = 'R3'")
    assert staffs == [{"respondent_id": hash_of(company, STAFF), "comment": None}]


def test_everything_computed_anew_gives_the_same_marts(company) -> None:
    before = marts(company)
    erase(company)
    erase(company, NEIGHBOUR)
    kept = rows(
        company, "select distinct customer_id from raw.work_orders where order_id like 'P%%'"
    )
    assert len(kept) == 2, "two customers stay two"
    night.rebuild(company, TINY_NIGHT, say=silent)
    assert marts(company) == before
    for customer in (CUSTOMER, NEIGHBOUR):
        assert holding(company, hash_of(company, customer)) == {"ops.erased_customers"}
    [accounted] = rows(
        company,
        "select sum(delivered - current_rows - superseded - unchanged - rejected) as missing,"
        " sum(unchanged) as unchanged from ops.accounting",
    )
    # The two answers that differed in their comments alone are one.
    assert accounted == {"missing": 0, "unchanged": 1}


def test_a_row_cannot_be_recognised_by_trying_who_it_was(company) -> None:
    """Whoever has the key and the database could hash a guess into a row and look for its hash."""
    feed, key = canonical_feeds()["work_orders"], personal_key(company)

    def guessed() -> set[bytes]:
        kept = rows(company, "select * from raw.work_orders where order_id = 'P2'")
        guesses = [{**row, "customer_id": hash_of(company, CUSTOMER)} for row in kept]
        return set(erasure._stored_hashes(guesses, feed, key))

    def known() -> set[bytes]:
        query = "select row_hash from raw.work_orders union select row_hash from ops.unchanged_rows"
        return {row["row_hash"] for row in rows(company, query)}

    assert guessed() & known()
    erase(company)
    assert not guessed() & known()


def deliver_again(settings: Settings) -> None:
    """The next day's deliveries: all the old ones again, and what the customer did since."""
    done = at("31 12:00")
    later = [
        fridge("P2", 8, CUSTOMER, fault_code="COOL-07", updated_at=done),
        fridge("P9", 31, CUSTOMER, appliance_serial="A-P9"),
    ]
    answers = [survey("R9", "P1", "05 14:00", "05 19:00", 3, respondent_id=PHONE, comment=COMMENT)]
    deliver_orders(settings, NEXT_NIGHT, ORDERS, "again.csv")
    deliver_orders(settings, NEXT_NIGHT, later, "later.csv")
    deliver(settings, "surveys", NEXT_NIGHT, SURVEYS, "again.csv")
    deliver(settings, "surveys", NEXT_NIGHT, answers, "later.csv")
    deliver(settings, "expenses", NEXT_NIGHT, TINY["expenses"], "again.csv")
    deliver(settings, "recognitions", NEXT_NIGHT, RECOGNITIONS, "again.csv")


def test_deliveries_after_it_bring_nobody_back_and_count_as_if_nobody_was_erased(
    site: Site, published: SimpleNamespace
) -> None:
    settings = site.go_back(published.name)
    deliver_again(settings)
    run_night(settings, NEXT_NIGHT)
    as_if = marts(settings)
    [new_order] = [row for row in as_if["fct_work_orders"] if row["order_id"] == "P9"]
    assert new_order["repeats_order_id"] == "P2"
    [repeated] = [row for row in as_if["fct_kpi_events"] if row["evidence_ref"] == "P9"]
    assert (repeated["kpi_code"], repeated["record_key"]) == ("repeat_repair_30d", "P2")
    # An order of his after the erasure is a stranger's: what links it to the old ones is gone.
    new_order["repeats_order_id"] = None
    repeated.update(numerator=0, evidence_ref=None)

    settings = site.go_back(published.name)
    erase(settings)
    deliver_again(settings)
    said: list[str] = []
    run_night(settings, NEXT_NIGHT, say=said.append)
    assert marts(settings) == as_if
    assert holding(settings, hash_of(settings, CUSTOMER)) == {"ops.erased_customers"}
    for value in (PHONE, COMMENT, ANOTHER_COMMENT):
        assert holding(settings, hash_of(settings, value)) == set(), value
    # What raw held it still knows, row by row, harmless columns and all.
    again = {"work_orders": ORDERS, "surveys": SURVEYS, "recognitions": RECOGNITIONS}
    for feed, count in ((feed, len(records)) for feed, records in again.items()):
        told = f"{feed} {NEXT_NIGHT} 'again.csv': {count} rows, {count} unchanged, 0 malformed"
        assert any(line.startswith(told) for line in said), (told, said)


def test_erasing_again_changes_nothing_and_a_stranger_is_remembered(company) -> None:
    erase(company)
    before = rows(company, "select * from raw.work_orders order by load_id, row_number")
    assert erase(company).startswith("Nothing that is kept names this customer")
    assert erase(company, "C-9999").startswith("Nothing that is kept names this customer")
    assert rows(company, "select * from raw.work_orders order by load_id, row_number") == before
    assert len(rows(company, "select * from ops.erased_customers")) == 2


@pytest.mark.parametrize("nobody", ["", "  ", "NULL", "\u3000"])
def test_nobody_cannot_be_erased(company, nobody: str) -> None:
    with pytest.raises(FieldscoreError, match="is nobody"):
        erase(company, nobody)
    assert rows(company, "select * from ops.erased_customers") == []


def test_nobody_is_erased_while_a_night_runs(company) -> None:
    run_id = open_night(company, NEXT_NIGHT)
    with pytest.raises(FieldscoreError, match=f"Run {run_id} is working on a night"):
        erase(company)
    night.close_night(company, run_id, say=silent)
    assert rows(company, "select * from ops.erased_customers") == []
    assert erase(company).startswith("Erased")


def test_the_command_takes_ids_from_standard_input_where_no_list_of_processes_shows_them(
    company,
) -> None:
    def run(*words: str, given: str = "") -> str:
        environment = {
            "FIELDSCORE_HOME": str(company.home),
            "FIELDSCORE_DATABASE_URL": str(company.database_url),
        }
        done = subprocess.run(
            [sys.executable, "-m", "fieldscore", "erase", *words],
            cwd=PROJECT, env=os.environ | environment, input=given, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    first, second = run(given=f"{CUSTOMER}\n{NEIGHBOUR}\n").splitlines()
    assert first.startswith("Erased") and second.startswith("Erased")
    assert run("--customer", CUSTOMER).startswith("Nothing that is kept")
    assert holding(company, hash_of(company, NEIGHBOUR)) == {"ops.erased_customers"}
