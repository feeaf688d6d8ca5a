"""A declaration is right, or everything wrong with it is said: file, key and reason."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from fieldscore.canonical import canonical_feeds
from fieldscore.declaration import Declaration, rewriting
from fieldscore.errors import FieldscoreError
from fieldscore.feeds import declared_feeds, load_declarations, store_declarations
from fieldscore.settings import PROJECT

OURS = PROJECT / "dags" / "feeds"
MAPPED = "{area_id: a, name: b, time_zone: c, calendar_id: d}"


def problems(folder: Path, text: str | bytes, name: str = "areas.yml") -> list[str]:
    """What load_declarations says of a folder with this one file."""
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FieldscoreError) as wrong:
        load_declarations(folder)
    return str(wrong.value).splitlines()


def test_the_shipped_declarations_take_the_canonical_names_and_require_the_core_feeds() -> None:
    declarations = load_declarations(OURS)
    assert list(declarations) == list(canonical_feeds())
    for feed, declaration in declarations.items():
        assert declaration.theirs == {name: name for name in canonical_feeds()[feed].columns}
        assert declaration.connector == "files"
        assert declaration.required == canonical_feeds()[feed].core


def test_every_key_of_a_declaration_is_in_the_readme_and_its_example_is_right(tmp_path) -> None:
    readme = (OURS / "README.md").read_text()
    keys = [name for name in Declaration.model_fields if name != "feed"]
    assert len(keys) > 10
    for key in keys:
        assert f"\n| `{key}` | " in readme
    examples = [part.split("```")[0] for part in readme.split("```yaml\n")[1:]]
    assert len(examples) == 3
    for feed, example in zip(("work_orders", "surveys", "expenses"), examples, strict=True):
        (tmp_path / f"{feed}.yml").write_text(example)
    connectors = [declared.connector for declared in load_declarations(tmp_path).values()]
    assert connectors == ["files", "http", "sql"]


def test_a_declaration_without_a_word_takes_every_default(tmp_path) -> None:
    (tmp_path / "areas.yml").write_text("# nothing to say\n")
    declaration = load_declarations(tmp_path)["areas"]
    assert declaration == Declaration(feed="areas")
    assert (declaration.required, declaration.start, declaration.path) == (False, None, "*")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("colums: {}", "colums: unknown key; known are connector, required, start"),
        ("feed: areas", "feed: unknown key: the file's name says the feed"),
        ("true: x", "True: unknown key"),
        ("http: {conn: x}\nconnector: http", "http.conn: unknown key; known are connection_id"),
        ("http: {path: /}\nconnector: http", "http.connection_id: Field required"),
        ("http: {connection_id: x, path: y}\nconnector: http", "http.path: String should match"),
        ("connector: ftp", "connector: should be 'files', 'http' or 'sql'"),
        ("required: 1", "required: should be a valid boolean"),
        ("start: 2026-01-01 10:00:00", "start: should be a valid date"),
        ("wait_minutes: 90", "wait_minutes: is for a required feed"),
        ("wait_minutes: -1", "wait_minutes: should be greater than or equal to 0"),
        ("encoding: latin-1", "encoding: should be 'utf-8' or 'gb18030'"),
        ("delimiter: ;;", "delimiter: must be one ASCII character"),
        ("delimiter: a", "delimiter: cannot be a letter"),
        ("null_tokens: [null]", "null_tokens.0: must be text: put None in quotes"),
        ("values: {name: {1: x}}", "values.name.1: must be text: put 1 in quotes"),
        ("time_zone: Mars/Base", "time_zone: 'Mars/Base' is not an IANA time zone"),
        ("time_zone: ../etc", "time_zone: '../etc' is not an IANA time zone"),
        ('timestamp_formats: ["%d/%m/%y %H:%M"]', "%y is not one of"),
        ('timestamp_formats: ["%d/%m/%Y"]', "needs a time of day"),
        ('timestamp_formats: ["%d/%m %H:%M"]', "%Y is missing"),
        ('timestamp_formats: ["%d/%m/%Y %H"]', "a time of day needs %H and %M"),
        ('timestamp_formats: ["%d/%m/%Y %I:%M"]', "a time of day needs %H and %M"),
        ('timestamp_formats: ["%d/%m/%Y %H:%M%f"]', "%f needs %S"),
        ('date_formats: ["%d/%m/%Y %H:%M"]', "date_formats is for days"),
        ('date_formats: ["%d/%d/%Y"]', "%d is there twice"),
        ('date_formats: ["%d/%m/%Y", "%m/%d/%Y"]', "reads the same text as '%d/%m/%Y', otherwise"),
        (f"columns: {MAPPED[:-1]}, zone: x}}", "columns.zone: no column of areas; it has area_id"),
        (
            "columns: {area_id: a, name: b}",
            "columns: time_zone must be mapped, or be one of consta",
        ),
        ("columns: {area_id: ' '}", "columns.area_id: names no column of theirs"),
        (f"columns: {MAPPED}\nconstants: {{name: x}}", "constants.name: is mapped in columns too"),
        ("constants: {area_id: A}", "constants.area_id: is the key"),
        (f"columns: {MAPPED}\nvalues: {{region: {{a: b}}}}", "values.region: is not read"),
        ("personal: [area_id]", "personal.area_id: identifies records of a feed"),
        ("personal: [time_zone]", "personal.time_zone: is read as more than text"),
        (
            f"columns: {MAPPED[:-1]}, region: b}}\npersonal: [name]",
            "columns.region: 'b' is personal elsewhere",
        ),
        ("personal: [name]\nharmless: [name]", "harmless.name: is personal"),
        (
            "personal: [name]\nvalues: {name: {a: b}}",
            "values.name: is personal: it is hashed before",
        ),
        ("connector: http", "http: is needed by connector http"),
        ("sql: {connection_id: x, query: select :business_date}", "sql: is for connector sql"),
        ("connector: sql\npath: '*.csv'", "path: is for connector files alone"),
        ("sql: {connection_id: x, query: select 1}\nconnector: sql", "must say :business_date"),
        ("sql: {connection_id: x, query: 'select :business_date::date'}", "cast(:business_date as"),
        (
            "sql: {connection_id: x, query: 'select :business_date, :x'}",
            r":x is no parameter; write \:x",
        ),
        (
            "sql: {connection_id: x, query: 'delete :business_date'}",
            "must start with select or with",
        ),
        (
            "http: {connection_id: x, path: /y, page_size: 5}",
            "http.page_size: and page_size_parame",
        ),
        (
            "http: {connection_id: x, path: /y, cursor_field: u}",
            "http.cursor_parameter: and cursor_",
        ),
        ("http: {connection_id: x, path: /y, page_parameter: p, next: n}", "are two ways to page"),
        (
            "http: {connection_id: x, path: /y, next_parameter: n}",
            "http.next_parameter: needs next",
        ),
        ("a: 1\nb: [1\nc: 2", "line 3: not YAML"),
        (
            "required: true\nstart: 2026-01-01\nrequired: false",
            "line 3: not YAML: key 'required' is",
        ),
        ("columns: {area_id: a, area_id: b}", "line 1: not YAML: key 'area_id' is there twice"),
        ("- required", "line 1: not a mapping"),
        (b"path: \xff", "line ?: not YAML"),
    ],
)
def test_a_wrong_declaration_is_refused_with_file_key_and_reason(tmp_path, text, problem) -> None:
    found = problems(tmp_path, text)
    assert all(line.startswith("areas.yml: ") for line in found)
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("constants: {status: done}", "constants.status: 'done' is not one of open, in_progress"),
        ("values: {status: {已完成: done}}", "values.status.已完成: 'done' is not one of open"),
        (
            "values: {in_warranty: {是: ja}}",
            "values.in_warranty.是: 'ja' is not one of true, false",
        ),
        ("personal: [technician_id]", "personal.technician_id: identifies records of a feed"),
        ("personal: [status]", "personal.status: is read as more than text"),
    ],
)
def test_words_that_are_not_ours_are_refused(tmp_path, text, problem) -> None:
    [found] = problems(tmp_path, text, "work_orders.yml")
    assert found.startswith(f"work_orders.yml: {problem}")


@pytest.mark.parametrize("name", ["orders.yml", "work_orders.yaml", "Areas.yml"])
def test_a_file_that_is_no_canonical_feed_is_refused(tmp_path, name) -> None:
    [found] = problems(tmp_path, "required: true", name)
    assert found.startswith(f"{name}: file name: must be one of work_orders.yml, surveys.yml")


def test_all_problems_of_all_files_are_said_at_once(tmp_path) -> None:
    (tmp_path / "surveys.yml").write_text("a: [")
    (tmp_path / "expenses.yml").write_text("required: true")
    found = problems(tmp_path, "bogus: 1\nrequired: maybe\ntime_zone: x\nconstants: {a: b}")
    keys = [line.split(": ")[:2] for line in found]
    assert ["surveys.yml", "line 1"] in keys
    assert ["areas.yml", "bogus"] in keys
    assert ["areas.yml", "required"] in keys
    assert not any(line.startswith("expenses.yml") for line in found)
    found = problems(tmp_path, "bogus: 1\ntime_zone: x\nconstants: {a: b}")
    assert {line.split(": ")[1] for line in found if "areas" in line} == {
        "bogus",
        "time_zone",
        "constants.a",
    }


def test_a_folder_without_declarations_is_refused(tmp_path) -> None:
    with pytest.raises(FieldscoreError, match="no declaration in it"):
        load_declarations(tmp_path)
    with pytest.raises(FieldscoreError, match="no such folder"):
        load_declarations(tmp_path / "nowhere")


def test_the_dag_learns_the_feeds_without_reading_or_importing_much(tmp_path) -> None:
    for name in ("areas.yml", "work_orders.yml", "nonsense.yml", "README.md"):
        (tmp_path / name).write_text("not: [yaml")
    script = (
        "import sys; from pathlib import Path; from fieldscore.feeds import declared_feeds;"
        f"print(declared_feeds(Path({str(tmp_path)!r})), declared_feeds(Path('/nowhere')));"
        "print([name for name in ('pydantic', 'polars', 'psycopg') if name in sys.modules])"
    )
    told = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert told.splitlines() == ["['work_orders', 'areas'] []", "[]"]
    assert declared_feeds(OURS) == list(load_declarations(OURS))


# --- what a declaration means for reading --------------------------------------------------------


def test_a_format_becomes_a_pattern_and_a_template() -> None:
    assert rewriting("%d/%m/%Y %H:%M") == (
        r"^(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{1,2})$",
        r"\3-\2-\1 \4:\5",
    )


READINGS = [
    ("%d/%m/%Y %H:%M", "9/3/2026 7:05", "2026-03-08 23:05:00"),
    ("%d/%m/%Y %H:%M", "29/12/2026 17:05", "2026-12-29 09:05:00"),
    ("%d/%m/%Y %H:%M", "31/02/2026 17:05", None),
    ("%d/%m/%Y %H:%M", "12/31/2026 17:05", None),
    ("%d/%m/%Y %H:%M", "9/3/2026 7:05 ", None),
    ("%d/%m/%Y %H:%M", "x9/3/2026 7:05", None),
    ("%Y%m%d%H%M%S", "20260309070503", "2026-03-08 23:05:03"),
    ("%Y%m%d%H%M%S", "2026039070503", None),
    ("%d.%m.%Y %H.%M", "09.03.2026 07.05", "2026-03-08 23:05:00"),
    ("%d.%m.%Y %H.%M", "09-03-2026 07.05", None),
    ("%Y年%m月%d日 %H时%M分", "2026年3月9日 7时05分", "2026-03-08 23:05:00"),
    ("%m/%d/%Y %I:%M %p", "3/9/2026 7:05 PM", "2026-03-09 11:05:00"),
    ("%m/%d/%Y %I:%M:%S %p", "12/09/2026 12:05:59 am", "2026-12-08 16:05:59"),
    ("%d/%m/%Y %H:%M:%S.%f%z", "9/3/2026 7:05:03.25+01:00", "2026-03-09 06:05:03.250000"),
    ("%d/%m/%Y %H:%M%z", "9/3/2026 7:05Z", "2026-03-09 07:05:00"),
    ("[%d|%m] (%Y)+ %H:%M", "[09|03] (2026)+ 07:05", "2026-03-08 23:05:00"),
]


def test_the_warehouse_reads_moments_as_declared(warehouse) -> None:
    read = []
    with warehouse.connect() as connection:
        for form, text, _ in READINGS:
            [moment] = connection.execute(
                "select ops.to_utc(%s, 'Asia/Shanghai', array[%s], array[%s])",
                [text, *rewriting(form)],
            ).fetchone()
            read.append((form, text, moment and moment.isoformat(" ")))
    assert read == READINGS


def test_the_warehouse_reads_days_as_declared(warehouse) -> None:
    pattern, template = rewriting("%d.%m.%Y")
    with warehouse.connect() as connection:
        [read] = connection.execute(
            "select ops.to_date(%s, array[%s]::varchar[], array[%s]::varchar[])",
            ["9.3.2026", pattern, template],
        ).fetchone()
    assert read == date(2026, 3, 9)


def test_the_fingerprint_changes_with_the_reading_alone() -> None:
    declaration = Declaration(feed="areas", null_tokens=["?"])
    known = declaration.interpretation("UTC")["fingerprint"]
    same = ({"required": True}, {"path": "*.csv"}, {"harmless": ["x"]}, {"time_zone": "UTC"})
    other = (
        {"null_tokens": ["-"]},
        {"values": {"name": {"a": "b"}}},
        {"time_zone": "Asia/Shanghai"},
        {"timestamp_formats": ["%d/%m/%Y %H:%M"]},
        {"date_formats": ["%d/%m/%Y"]},
    )
    for change in same:
        changed = declaration.model_copy(update=change)
        assert changed.interpretation("UTC")["fingerprint"] == known, change
    for change in other:
        changed = declaration.model_copy(update=change)
        assert changed.interpretation("UTC")["fingerprint"] != known, change


def test_declarations_are_copied_to_the_warehouse_and_forgotten_with_their_file(warehouse) -> None:
    def stored(connection) -> dict[str, tuple]:
        rows = connection.execute("select feed, declarations.* from ops.declarations").fetchall()
        return {row[0]: row[2:] for row in rows}

    said = "values: {name: {北: North}}\nnull_tokens: ['?']\ndate_formats: ['%d/%m/%Y']"
    areas = Declaration(feed="areas", start=date(2026, 1, 1), **yaml.safe_load(said))
    surveys = Declaration(feed="surveys", time_zone="Europe/Lisbon")
    with warehouse.connect() as connection:
        store_declarations(connection, {"areas": areas, "surveys": surveys}, "Asia/Shanghai")
        connection.commit()
        first = stored(connection)
        _, nulls, values, zone, patterns, templates, _, counts_from = first["areas"]
        assert (nulls, zone) == (["", "?", "NULL"], "Asia/Shanghai")
        assert (counts_from, first["surveys"][-1]) == (date(2026, 1, 1), None)
        assert values == {"name": {"北": "North"}}
        assert (patterns, templates) == ([r"^(\d{1,2})/(\d{1,2})/(\d{4})$"], [r"\3-\2-\1"])
        assert first["surveys"][3] == "Europe/Lisbon"

        store_declarations(connection, {"areas": areas, "surveys": surveys}, "Asia/Shanghai")
        connection.commit()
        assert stored(connection) == first

        changed = areas.model_copy(update={"null_tokens": []})
        store_declarations(connection, {"areas": changed}, "Asia/Shanghai")
        connection.commit()
        [(feed, row)] = stored(connection).items()
        assert (feed, row[1]) == ("areas", ["", "NULL"])
        assert row[-2] > first["areas"][-2]

        # A feed that counts from another day reads as before.
        earlier = changed.model_copy(update={"start": date(2025, 1, 1)})
        store_declarations(connection, {"areas": earlier}, "Asia/Shanghai")
        [again] = stored(connection).values()
        assert (again[-1], again[0]) == (date(2025, 1, 1), row[0])
        store_declarations(connection, {}, "Asia/Shanghai")
        assert stored(connection) == {}
