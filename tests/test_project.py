"""The repository agrees with itself: one KPI is one word everywhere, and what is written holds."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from fieldscore.canonical import canonical_feeds
from fieldscore.policy import CASES, LIMITS, POLICY
from fieldscore.settings import PROJECT

DBT = PROJECT / "dbt_project"
MODELS = DBT / "models"
DIALECT = DBT / "macros" / "dialect.sql"

CHINESE = re.compile(r"[\u4e00-\u9fff]{2,}")


def found(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder; there are some."""
    files = sorted(path for path in folder.rglob(pattern) if "target" not in path.parts)
    assert files, f"{folder} holds no {pattern}"
    return files


@cache
def yaml_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def policy_rows(name: str) -> list[dict[str, str]]:
    with (POLICY / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    return rows


# --- one KPI, one word ---------------------------------------------------------------------------

CATALOG = policy_rows("kpi_catalog")
CODES = [row["kpi_code"] for row in CATALOG]


def test_every_kpi_has_a_file_and_every_file_is_a_kpi() -> None:
    assert len(CODES) == len(set(CODES)) == 28
    files = {path.stem.removeprefix("kpi_") for path in found(MODELS / "kpis", "*.sql")}
    assert files == set(CODES)


def test_the_records_of_every_kpi_file_are_gathered() -> None:
    text = (MODELS / "intermediate" / "int_kpi_records.sql").read_text()
    listed = re.search(r"set kpi_codes = \[(.*?)\]", text, re.DOTALL)
    assert listed
    assert sorted(re.findall(r"'(\w+)'", listed[1])) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_kpi_file_says_its_own_code(code: str) -> None:
    text = (MODELS / "kpis" / f"kpi_{code}.sql").read_text()
    said = re.findall(r"'(\w+)' as kpi_code|(?:same_records|\w+_events)\(\s*'(\w+)'", text)
    assert ["".join(words) for words in said] == [code]


def test_catalog_weights_and_targets_know_the_same_kpis() -> None:
    weights = policy_rows("kpi_weights")
    assert {row["kpi_code"] for row in weights} == set(CODES)
    weighted = {row["kpi_code"] for row in weights if float(row["weight"])}
    assert {row["kpi_code"] for row in policy_rows("kpi_targets")} == weighted
    assert len(weighted) == 12


def test_the_policy_knows_the_limits_and_cases_the_models_read() -> None:
    intermediate = MODELS / "intermediate"
    read = [
        code
        for name in ("int_days", "int_periods")
        for listed in re.findall(
            r"for code in \[(.*?)\]", (intermediate / f"{name}.sql").read_text(), re.DOTALL
        )
        for code in re.findall(r"'(\w+)'", listed)
    ]
    assert sorted(read) == sorted(LIMITS)
    [cases] = re.findall(
        r"macro case_of(.*?)endmacro",
        (DBT / "macros" / "kpis.sql").read_text(),
        re.DOTALL,
    )
    told = set(re.findall(r"(?:then|else) '(\w+)'", cases))
    told -= {"after_departure", "before_departure", "excused", "by_technician", "ordinary"}
    told |= {
        f"cancelled_{when}_{whose}"
        for when in ("before_departure", "after_departure")
        for whose in ("excused", "by_technician")
    }
    assert told == set(CASES)


def test_the_canonical_feeds_are_those_of_the_sources_file() -> None:
    text = (DBT / "macros" / "staging.sql").read_text()
    [listed] = re.findall(r"macro canonical_feeds\(\).*?return\(\[(.*?)\]", text, re.DOTALL)
    assert re.findall(r"'(\w+)'", listed) == list(canonical_feeds())


def test_every_kpi_has_a_chinese_name_in_the_catalog_and_in_its_description() -> None:
    for row in CATALOG:
        assert CHINESE.search(row["name_zh"]), row["kpi_code"]
        [model] = yaml_of(MODELS / "kpis" / f"kpi_{row['kpi_code']}.yml")["models"]
        assert row["name_zh"] in model["description"]


@pytest.mark.parametrize("code", CODES)
def test_every_kpi_has_a_unit_test(code: str) -> None:
    tests = yaml_of(MODELS / "kpis" / f"kpi_{code}.yml").get("unit_tests", [])
    assert [test["name"] for test in tests if test["model"] == f"kpi_{code}"]


def test_no_unit_test_has_a_name_that_postgresql_cuts_short() -> None:
    names = [
        test["name"]
        for path in found(MODELS, "*.yml")
        for test in yaml_of(path).get("unit_tests", [])
    ]
    assert len(names) == len(set(names)) > 6
    assert [name for name in names if len(name) > 50] == []


# --- models and what is said of them -------------------------------------------------------------


@pytest.mark.parametrize("path", found(MODELS, "*.sql"), ids=lambda path: path.stem)
def test_a_model_begins_with_its_grain(path: Path) -> None:
    assert path.read_text().startswith("-- One row"), "begin with a comment: -- One row per …"


def test_a_model_is_described_in_the_file_of_its_own_name() -> None:
    models = {path.stem: path for path in found(MODELS, "*.sql")}
    described = [path for path in found(MODELS, "*.yml") if not path.name.startswith("_")]
    assert {path.stem for path in found(MODELS / "marts", "*.sql")} <= {p.stem for p in described}
    for path in described:
        assert [model["name"] for model in yaml_of(path)["models"]] == [path.stem], path
        assert path.parent == models[path.stem].parent, path


MARTS = [yaml_of(path)["models"][0] for path in found(MODELS / "marts", "*.yml")]


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart["name"])
def test_every_column_of_a_mart_has_a_type_and_a_sentence(mart: dict[str, Any]) -> None:
    """No bare decimal, which another engine rounds to whole numbers; moments say whose clock."""
    assert mart["description"].startswith("One row")
    assert mart["columns"]
    for column in mart["columns"]:
        said = f"{mart['name']}.{column['name']}"
        assert re.fullmatch(
            r"varchar|boolean|date|timestamp|integer|bigint|decimal\(\d+,\d+\)",
            column["data_type"],
        ), said
        assert re.fullmatch(r"\S.*[.]", column["description"]), said
        if column["data_type"] == "timestamp":
            assert re.search(r"UTC|zone", column["description"]), said


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart["name"])
def test_a_mart_has_the_columns_its_model_selects(mart: dict[str, Any]) -> None:
    """Contracts are checked by dbt at night; a view has none."""
    text = (MODELS / "marts" / f"{mart['name']}.sql").read_text()
    # What a night leaves out is no column.
    text = re.sub(r"\{%- if is_night\(\) %\}.*?\{%- endif %\}", "", text, flags=re.DOTALL)
    selected = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|--[^\n]*", "", text, flags=re.DOTALL)
    selected = selected.rpartition("select")[2].partition("\nfrom")[0]
    last_words = [re.split(r"[\s.]", part.strip())[-1] for part in split(selected)]
    assert last_words == [column["name"] for column in mart["columns"]]


def split(columns: str) -> list[str]:
    """The columns of a select list: at the commas outside parentheses."""
    depth, parts = 0, [""]
    for letter in columns:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def test_dbts_own_schema_accepts_every_model_and_source_file() -> None:
    """A comma in unquoted text makes keys of its own, which dbt overlooks on PostgreSQL."""
    import dbt.jsonschemas
    from jsonschema import Draft7Validator

    [folder] = dbt.jsonschemas.__path__
    schema = Path(folder) / "resources" / "latest.json"
    if not schema.exists():
        pytest.skip("this dbt brings no schemas")
    validator = Draft7Validator(json.loads(schema.read_text()))
    assert not validator.is_valid({"version": 2, "models": [{"name": "m", "descripton": "?"}]})
    for path in found(MODELS, "*.yml") + found(DBT / "seeds", "*.yml"):
        wrong = [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in validator.iter_errors(yaml_of(path))
        ]
        assert wrong == [], path.relative_to(PROJECT)


# --- SQL that other engines run too --------------------------------------------------------------

NOT_PORTABLE = {
    "distinct on": r"\bdistinct\s+on\b",
    "generate_series": r"\bgenerate_series\b",
    "extract": r"\bextract\s*\(\s*(epoch|isodow|dow|week)\b",
    "::": r"::",
    "at time zone": r"\bat\s+time\s+zone\b",
    "regular expression": r"!?~\*?",
    "to_char": r"\bto_char\b",
    "string_agg": r"\bstring_agg\b",
    "->>": r"->",
    "jsonb": r"\b(to_)?jsonb?\w*\b",
    "unnest": r"\bunnest\b",
    "recursive": r"\bwith\s+recursive\b",
    "bare numeric": r"\bnumeric\b|\bdecimal\b(?!\s*\()",
    "timestamptz": r"\btimestamptz\b|\bwith\s+time\s+zone\b",
    "text": r"\bas\s+text\b",
    "the machine's clock": r"\b(now|clock_timestamp)\s*\(|\bcurrent_(date|timestamp|time)\b",
    "date arithmetic of dbt": r"\bdate(diff|add)\b",
    "quote in a quote": r"'''|''\w",
    "concat": r"\bconcat\s*\(|\|\|",
}

SHOWN_BY = {
    "distinct on": "select distinct on (a) a",
    "generate_series": "from generate_series(1, 2)",
    "extract": "extract(epoch from a)",
    "::": "a::date",
    "at time zone": "a at time zone 'UTC'",
    "regular expression": "where a ~ 'b'",
    "to_char": "to_char(a, 'YYYY')",
    "string_agg": "string_agg(a, ',')",
    "->>": "a ->> 'b'",
    "jsonb": "to_jsonb(a)",
    "unnest": "unnest(a)",
    "recursive": "with recursive a as",
    "bare numeric": "cast(a as decimal)",
    "timestamptz": "cast(a as timestamptz)",
    "text": "cast(a as text)",
    "the machine's clock": "where a < now()",
    "date arithmetic of dbt": "datediff(a, b)",
    "quote in a quote": "'it''s'",
    "concat": "a || b",
}


def plain_sql(path: Path) -> str:
    """The SQL of a file without comments and without what Jinja does."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL)
    return re.sub(r"--[^\n]*", "", text)


@pytest.mark.parametrize("habit", NOT_PORTABLE)
def test_a_habit_of_one_engine_is_in_the_dialect_file_alone(habit: str) -> None:
    pattern = re.compile(NOT_PORTABLE[habit], re.IGNORECASE)
    assert pattern.search(SHOWN_BY[habit]), "the pattern must find what it is for"
    files = [
        path
        for folder in (MODELS, DBT / "tests", DBT / "macros")
        for path in found(folder, "*.sql")
        if path != DIALECT
    ]
    assert len(files) > 50
    said = {
        str(path.relative_to(PROJECT)): hit[0]
        for path in files
        if (hit := pattern.search(plain_sql(path)))
    }
    assert said == {}


# --- what is tracked -----------------------------------------------------------------------------


@cache
def tracked() -> list[Path]:
    """The files git tracks or would: text, and not what a tool wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [PROJECT / name for name in listed.stdout.split("\0") if name]
    files = [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:4096]]
    assert len(files) > 100
    return files


FOREIGN = {
    "a machine's path": r"(?<![\w.])/(home|Users|root|work|mnt|private)/\w",
    "a package registry": r"\b(files\.pythonhosted|pypi\.org|registry\.\w+|(?<!emit-)index-url|"
    r"artifactory|nexus|mirrors?\.\w+\.\w+|tuna\.tsinghua|aliyun|ghcr\.io|quay\.io)",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a cloud's key": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[abp]-\w{10,}",
    "a password in a URL": r"\w+://[\w.-]+:(?!password@|secret@)[A-Za-z0-9]{12,}@",
}
FOREIGN_SHOWN_BY = {
    "a machine's path": "cd /home" + "/wei/fieldscore",
    "a package registry": "https://pypi" + ".org/simple",
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "a cloud's key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a password in a URL": "postgresql://fieldscore:" + "0123456789abcdef@db/fieldscore",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_tracked_file_holds(kind: str) -> None:
    pattern = re.compile(FOREIGN[kind])
    assert pattern.search(FOREIGN_SHOWN_BY[kind]), "the pattern must find what it is for"
    said = {
        f"{path.relative_to(PROJECT)}:{number}": line.strip()[:100]
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if path != Path(__file__) and pattern.search(line)
    }
    assert said == {}


@pytest.mark.parametrize("path", found(PROJECT / "requirements", "*.txt"), ids=lambda p: p.stem)
def test_every_locked_requirement_is_a_version_with_hashes_from_anywhere(path: Path) -> None:
    text = re.sub(r"\\\n", " ", path.read_text())
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert lines
    for line in lines:
        pin = re.fullmatch(
            r"[\w.\[\],-]+==[\w.+!]+( ; [^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line
        )
        assert pin, line[:120]
    assert "://" not in text
