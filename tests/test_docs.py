"""What the documents name exists: paths, commands, variables, columns, reasons, messages."""

from __future__ import annotations

import ast
import csv
import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from fieldscore.feeds import load_declarations
from fieldscore.settings import PROJECT

PAGES = sorted(
    path
    for path in [*PROJECT.glob("*.md"), *PROJECT.glob("*/*.md"), *PROJECT.glob("*/*/*.md")]
    if not any(part.startswith(".") for part in path.relative_to(PROJECT).parts)
)
NAMES = [str(page.relative_to(PROJECT)) for page in PAGES]
README = PROJECT / "README.md"
RUNBOOK = PROJECT / "docs" / "runbook.md"
KPIS = PROJECT / "docs" / "kpis.md"

# Named in documents, made only when a home or an installation needs it.
MADE_LATER = re.compile(r"^(\.venv|\.fieldscore|\.env$|data_docs/|logs/|dbt/logs|results/|/)")
# A path has a folder or one of our endings; a placeholder such as <feed> stands for any name.
ENDINGS = ("py", "sql", "csv", "yml", "yaml", "md", "toml", "txt", "in")
A_PATH = re.compile(
    r"[\w.<>*-]*[a-z>*][\w.<>*-]*/[\w.<>*/-]*|[\w<>-]+\.(?:" + "|".join(ENDINGS) + ")"
)
# Other people's words, which nothing of ours spells.
FOREIGN = {"mem_limit", "pg_dump", "pg_dumpall", "pg_restore", "string_agg"}


def test_there_are_documents():
    assert {"README.md", "dags/README.md", "docs/kpis.md", "docs/runbook.md"} <= set(NAMES)
    assert len(PAGES) >= 12


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        place, _, anchor = target.partition("#")
        if "://" in place:
            continue
        linked = (page.parent / place).resolve() if place else page
        assert linked.exists(), target
        if anchor:
            assert anchor in _anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_path_named_exists(page):
    for word in _code(page):
        if A_PATH.fullmatch(word) and not MADE_LATER.match(word):
            assert _found(word, page), word


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_variable_named_exists(page):
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test", "night"} <= targets
    commands = [span for span in _code(page) if "make " in span]
    asked = {name for span in commands for name in re.findall(r"^make ([a-z]+)", span, re.M)}
    assert asked <= targets
    variables = set(re.findall(r"\bFIELDSCORE_[A-Z_]+\b", text))
    assert variables <= _variables()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_name_in_code_is_a_name_of_the_project(page):
    """Columns, tables, models, reasons, tasks: any word with an underscore."""
    words = {word for span in _code(page) for word in re.findall(r"\b[a-z]\w*_\w+\b", span)}
    assert words - FOREIGN - _words_of_the_project() == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_column_named_with_its_table_is_in_it(page):
    for table, column in re.findall(r"\b(\w+)\.(\w+)", " ".join(_code(page))):
        if table in _columns() and column not in ENDINGS:
            assert column in _columns()[table], f"{table}.{column}"


def test_the_readme_names_every_mart_and_every_command():
    text = README.read_text()
    marts = {path.stem for path in (PROJECT / "dbt_project/models/marts").glob("*.sql")}
    assert len(marts) >= 13
    assert marts <= set(re.findall(r"`(\w+)`", text))
    commands = re.findall(r"^([a-z]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert len(commands) >= 12
    assert {f"make {command}" for command in commands if command != "help"} <= set(
        re.findall(r"make [a-z]+", text)
    )


def test_the_readme_names_every_setting():
    read = re.findall(
        r"environ\.get\(\"(FIELDSCORE_\w+)",
        "".join(path.read_text() for path in (PROJECT / "plugins/fieldscore").glob("*.py")),
    )
    assert len(set(read)) >= 6
    assert set(read) <= set(re.findall(r"`(FIELDSCORE_\w+)`", README.read_text()))


def test_what_i_want_to_change_is_in_a_file_that_exists():
    table = _section(README, "## I want to change …")
    rows = re.findall(r"^\| ([^|]+) \| `([^`]+)`", table, re.MULTILINE)
    assert len(rows) >= 10
    for what, file in rows:
        assert _found(file, README), f"{what}: {file}"


def test_the_readmes_declaration_is_one_that_the_night_accepts(tmp_path):
    [declaration] = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "work_orders.yml").write_text(declaration)
    assert load_declarations(tmp_path)["work_orders"].columns["order_id"] == "number"


def test_the_tables_of_the_kpi_page_are_those_of_the_policy():
    written = KPIS.read_text()
    generator = _generator()
    assert generator.page(written) == written
    for name, table in generator.TABLES.items():
        assert table().count("\n") > 5, name
        assert table() in written


def test_every_weighted_kpi_has_a_section_with_its_names():
    weighted = {row["kpi_code"] for row in _policy("kpi_targets")}
    assert len(weighted) == 12
    headings = re.findall(r"^## .+\n\n`\w+`", KPIS.read_text(), re.MULTILINE)
    for row in _policy("kpi_catalog"):
        if row["kpi_code"] not in weighted:
            continue
        assert any(
            f" {row['name_zh']}\n" in heading and f"`{row['kpi_code']}`" in heading
            for heading in headings
        ), row["kpi_code"]


def test_the_kpi_page_explains_every_reason_a_record_can_have():
    models = PROJECT / "dbt_project" / "models"
    macros = (PROJECT / "dbt_project" / "macros" / "kpis.sql").read_text()
    text = macros.partition("macro case_of")[0]
    text += "".join(path.read_text() for path in (models / "kpis").glob("kpi_*.sql"))
    for name in ("int_survey_answers", "int_complaints", "int_pauses", "int_recognitions"):
        text += (models / "intermediate" / f"{name}.sql").read_text()
    reasons = set(re.findall(r"(?:then|else) '(\w+)'", text))
    assert {"not_answered", "open_past_due", "no_claim", "repeated"} <= reasons
    assert reasons <= set(re.findall(r"\b(\w+)\b", KPIS.read_text()))


def test_every_message_of_the_runbook_is_one_that_is_said():
    """A message is what a night says, with … for names and numbers."""
    said_at_night = RUNBOOK.read_text().partition("## What a night can say\n")[2]
    messages = [
        message
        for row in re.findall(r"^\| ([^|]*`[^|]*) \|", said_at_night, re.MULTILINE)
        for message in re.findall(r"`([^`]*)`", row)
        if "…" in message or " " in message
    ]
    assert len(messages) >= 40
    said = "\n".join(_texts())
    for message in messages:
        pieces = [piece.strip(" :") for piece in message.split("…")]
        pieces = [piece for piece in pieces if len(piece) > 3]
        assert all(piece in said for piece in pieces), message


def test_every_task_is_in_the_timetable():
    tree = ast.parse((PROJECT / "dags" / "nightly.py").read_text())
    [dag] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    tasks = {node.name for node in dag.body if isinstance(node, ast.FunctionDef)}
    assert len(tasks) >= 10
    told = re.findall(r"^\| `(\w+)`", (PROJECT / "dags" / "README.md").read_text(), re.MULTILINE)
    assert tasks <= set(told)


def test_the_licence_is_whole():
    text = (PROJECT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def _code(page: Path) -> list[str]:
    """What a page says in code: between backticks and in blocks of shell or SQL."""
    text = page.read_text()
    blocks = re.findall(r"```(?:sh|sql)\n(.*?)```", text, re.DOTALL)
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)) + blocks


def _found(path: str, page: Path) -> bool:
    """Whether a path is there, seen from the project, the page, our package or a folder in it."""
    pattern = re.sub(r"<[^>]+>", "*", path).rstrip("/")
    roots = [PROJECT, page.parent, PROJECT / "plugins", PROJECT / "plugins" / "fieldscore"]
    if any(next(root.glob(pattern), None) for root in roots):
        return True
    return "/" not in pattern and any(Path(file).match(pattern) for file in _files())


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _section(page: Path, heading: str) -> str:
    return page.read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]


@cache
def _files() -> tuple[str, ...]:
    """The project's files, whether committed yet or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = tuple(file for file in listed.stdout.split("\0") if file)
    assert len(files) > 100
    return files


@cache
def _words_of_the_project() -> set[str]:
    """Every name spelt outside the documents, the tests and the locked requirements."""
    endings = (".py", ".sql", ".yml", ".csv", ".html.j2", ".toml", ".example", "Makefile")
    words: set[str] = set()
    for file in _files():
        if file.endswith(endings) and not file.startswith("tests/"):
            path = PROJECT / file
            if path.exists():
                words |= set(re.findall(r"\w+", path.read_text()))
    return words | set(re.findall(r"\w+", " ".join(_files())))


@cache
def _variables() -> set[str]:
    """Every variable the code or the containers read; a secret's name is made from its file's."""
    source = "".join(
        (PROJECT / file).read_text()
        for file in _files()
        if file.startswith("plugins/") and file.endswith(".py")
    )
    variables = set(re.findall(r"\bFIELDSCORE_[A-Z_]+\b", source))
    variables |= {f"FIELDSCORE_{name.upper()}" for name in re.findall(r'secret\("(\w+)"\)', source)}
    containers = (PROJECT / "docker-compose.yml").read_text()
    return variables | set(re.findall(r"\bFIELDSCORE_[A-Z_]+\b", containers))


@cache
def _columns() -> dict[str, set[str]]:
    """The columns of every mart and every table of schema ops, by table."""
    columns = {}
    for path in (PROJECT / "dbt_project/models/marts").glob("*.yml"):
        [model] = yaml.safe_load(path.read_text())["models"]
        columns[model["name"]] = {column["name"] for column in model["columns"]}
    ops = (PROJECT / "plugins/fieldscore/sql/ops.sql").read_text()
    for table, body in re.findall(r"create table if not exists ops\.(\w+) \((.*?)\n\);", ops, re.S):
        columns[table] = set(re.findall(r"^    (\w+) ", body, re.MULTILINE))
    assert {"fct_technician_scores", "runs", "loads"} <= set(columns)
    return columns


@cache
def _texts() -> tuple[str, ...]:
    """Every text our code can say: the literals of its Python, and its SQL."""
    texts = []
    for path in (PROJECT / "plugins").rglob("*.py"):
        tree = ast.parse(path.read_text())
        texts += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    texts += [path.read_text() for path in (PROJECT / "plugins").rglob("*.sql")]
    texts += [path.read_text() for path in (PROJECT / "expectations").rglob("*.yml")]
    return tuple(texts)


def _generator():
    path = PROJECT / "scripts" / "generate_kpi_docs.py"
    spec = importlib.util.spec_from_file_location("generate_kpi_docs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _policy(name: str) -> list[dict[str, str]]:
    path = PROJECT / "dbt_project" / "seeds" / "policy" / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
