"""The gates: what the expectations of a layer find in tonight's tables, kept, told and shown.

A suite is one file, ``expectations/<layer>/<table>.yml`` (see expectations/README.md). Great
Expectations evaluates it and never decides: a failed critical rule stops the night, a failed
warning is told. It drops what it does not understand and passes what is empty, so the loader here
is strict and the rules written are compared with the rules evaluated.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import psycopg
import yaml
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fieldscore import lease, warehouse
from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import PROJECT

EXPECTATIONS = PROJECT / "expectations"
TEMPLATE = Path(__file__).with_name("data_docs.html.j2")

LAYERS = ("raw", "audit")  # the layers with a gate
SEVERITIES = ("critical", "warning")
# Which rows a suite judges, as a condition. Recent: of the last 30 days up to the newest delivery;
# in a rebuild all.
ROWS = {
    "all": "true",
    "recent": "load_id >= {recent_load_id}",
    "tonight": "load_id > {last_load_id}",
}
SQL_RULE = "unexpected_rows_expectation"
QUERY = "unexpected_rows_query"

# What a rule in SQL may name; Great Expectations fills {batch}, we fill the rest.
PLACEHOLDERS = ("batch", "last_load_id", "recent_load_id", "business_date", "run_id")

# How a lost connection shows: as itself, or as the loss of the temporary table that hung on it.
LOST_CONNECTION = re.compile(r'sqlalchemy\.exc\.OperationalError|"gx_temp_\w+" does not exist')

EXAMPLES = 3  # failing values or rows that are kept, of columns that are not personal
RUNS_SHOWN = 30


@dataclass(frozen=True)
class Rule:
    """One expectation. notes: the sentence that must be true; severity: critical or warning."""

    type: str
    kwargs: dict[str, Any]
    severity: str
    notes: str

    @property
    def label(self) -> str:
        """What names the rule in results: its type, its column and its sentence."""
        column = f"({self.kwargs['column']})" if "column" in self.kwargs else ""
        return f"{self.type}{column}: {self.notes}"

    @property
    def words(self) -> set[str]:
        """Every name the rule may read: the words of its arguments."""
        return set(re.findall(r"\w+", json.dumps(self.kwargs, default=str, ensure_ascii=False)))

    @property
    def touches_personal(self) -> bool:
        """Whether the rule reads, or may read, a column of any feed whose values are withheld."""
        personal = {name for feed in canonical_feeds().values() for name in feed.withheld}
        star = re.search(r"(select|all|distinct|,)\s*\*|\.\*", self.kwargs.get(QUERY, ""), re.I)
        return bool(star or personal & self.words)


@dataclass(frozen=True)
class Suite:
    """The rules of one table (schema.name), and which of its rows they judge: one of ROWS."""

    file: Path
    table: str
    rows: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Finding:
    """What one rule found. severity is critical for a rule that could not be evaluated at all."""

    table: str
    expectation: str
    severity: str
    success: bool
    observed: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.table} · {self.expectation} Observed: {_told(self.observed)}."


@dataclass(frozen=True)
class Outcome:
    """What a gate found in a run, rule by rule."""

    run_id: int
    gate: str
    findings: tuple[Finding, ...]

    @property
    def criticals(self) -> list[Finding]:
        return [f for f in self.findings if not f.success and f.severity == "critical"]

    @property
    def warnings(self) -> list[Finding]:
        return [f for f in self.findings if not f.success and f.severity == "warning"]

    def __str__(self) -> str:
        kept = sum(finding.success for finding in self.findings)
        told = f"Gate {self.gate}: {kept} of {len(self.findings)} rules hold."
        return "\n".join([told, *(f"- warning: {finding}" for finding in self.warnings)])


def load_suites(folder: Path = EXPECTATIONS) -> dict[str, list[Suite]]:
    """The suites of every layer by layer, without importing Great Expectations.

    Raises FieldscoreError naming file, entry and reason for anything not as the README says.
    """
    suites: dict[str, list[Suite]] = {}
    for file in sorted(folder.rglob("*.y*ml")):
        if file.parent.parent != folder or file.parent.name not in LAYERS:
            raise FieldscoreError(
                f"{_shown(file)}: no gate reads it; the layers with a gate are {_list(LAYERS)}."
            )
        suites.setdefault(file.parent.name, []).append(_load(file))
    if not suites:
        raise FieldscoreError(f"{folder} holds no expectations: <layer>/<table>.yml is missing.")
    return suites


def validate_suites(folder: Path = EXPECTATIONS) -> dict[str, list[Suite]]:
    """load_suites, and every rule is one that Great Expectations knows, with arguments it takes."""
    suites = load_suites(folder)
    for layer in suites.values():
        for suite in layer:
            for number, rule in enumerate(suite.rules):
                _expectation(suite, rule, number)
    return suites


def check(
    connection_url: str,
    gate: str,
    layer: str,
    run_id: int,
    tables: list[str] | None = None,
    folder: Path = EXPECTATIONS,
    standing: Collection[str] = (),
) -> Outcome:
    """Hold the tables of a layer against their suites and keep the results.

    gate: the name results are kept under; what an earlier attempt of this run and gate found is
    replaced. tables: which of the layer's own tables (None: all); files named after a table of
    another schema, such as ops.loads.yml, always count. standing: tables that may be empty tonight,
    since what is published of them stands; empty, they are not asked. Failed rules do not raise:
    see raise_on_critical.

    Raises FieldscoreError for a table without a suite, a rule that was not evaluated and a run that
    does not hold the lease, PassingFault when the warehouse goes away.
    """
    suites = _chosen(load_suites(folder).get(layer, []), folder / layer, layer, tables)
    with warehouse.connect(connection_url, autocommit=True) as connection:
        night = _night(connection, run_id)
        asked = [suite for suite in suites if not _stands(connection, suite, standing)]
        findings = _findings(connection, connection_url, asked, night)
        with connection.transaction():
            _keep(connection, run_id, gate, findings)
    return Outcome(run_id, gate, tuple(findings))


def raise_on_critical(outcome: Outcome) -> None:
    """Raise FieldscoreError, with every critical finding, when the gate must stop the night."""
    if outcome.criticals:
        found = "\n".join(f"- {finding}" for finding in outcome.criticals)
        raise FieldscoreError(
            f"Gate {outcome.gate} stops run {outcome.run_id}: {len(outcome.criticals)} critical"
            f" rules do not hold. Nothing is published; the earlier marts still stand.\n{found}\n"
            "Put the delivery or the model right and run the night again; a rule that is itself"
            " wrong is changed in expectations/."
        )


def build_docs(connection_url: str, docs_folder: Path) -> Path:
    """Write the data docs, one self-contained page of the last 30 runs, and return its path.

    It is made from ops.quality_results alone, which holds no personal values. A reader sees the old
    page or the new one, never half of one.
    """
    import jinja2

    with warehouse.connect(connection_url) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        runs = cursor.execute(
            """
            select
                runs.run_id, runs.business_date, runs.status, results.gate,
                max(results.checked_at) as checked_at,
                count(*) as rules,
                count(*) filter (where not success and severity = 'critical') as criticals,
                count(*) filter (where not success and severity = 'warning') as warnings
            from ops.quality_results as results
            inner join ops.runs as runs on runs.run_id = results.run_id
            where runs.run_id in (
                select distinct run_id from ops.quality_results order by run_id desc limit %s
            )
            group by runs.run_id, results.gate
            order by runs.run_id desc, checked_at desc, results.gate
            """,
            [RUNS_SHOWN],
        ).fetchall()
        findings = cursor.execute(
            """
            select run_id, gate, table_name, expectation, severity, success, observed
            from ops.quality_results
            where run_id >= %(oldest)s and (not success or run_id = %(newest)s)
            order by success, severity, table_name, expectation
            """,
            {
                "oldest": min((run["run_id"] for run in runs), default=0),
                "newest": max((run["run_id"] for run in runs), default=0),
            },
        ).fetchall()
    for run in runs:
        place = (run["run_id"], run["gate"])
        run["findings"] = [f for f in findings if (f["run_id"], f["gate"]) == place]
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    docs_folder.mkdir(parents=True, exist_ok=True)
    draft = docs_folder / ".index.html"
    draft.write_text(template.render(runs=runs, told=_told, shown=RUNS_SHOWN), encoding="utf-8")
    return draft.replace(docs_folder / "index.html")


class _Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as it is, except that a key said twice is an error, not the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _load(file: Path) -> Suite:
    """One file as a suite."""

    def refuse(reason: str, entry: int | None = None) -> FieldscoreError:
        place = "" if entry is None else f", expectation {entry + 1}"
        return FieldscoreError(f"{_shown(file)}{place}: {reason}")

    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Yaml)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as unreadable:
        raise refuse(f"not readable as YAML: {unreadable}") from unreadable
    if not isinstance(content, dict):
        raise refuse("the file must hold the keys table and expectations.")
    if unknown := set(content) - {"table", "rows", "expectations"}:
        raise refuse(f"unknown key {_list(unknown)}; known are table, rows and expectations.")
    expected = file.stem if "." in file.stem else f"{file.parent.name}.{file.stem}"
    if content.get("table") != expected:
        raise refuse(f"table is {content.get('table')!r}; by its path it must be {expected!r}.")
    rows = content.get("rows", "all")
    if rows not in ROWS:
        raise refuse(f"rows is {rows!r}; it is one of {_list(ROWS)}.")
    if rows != "all" and not expected.startswith(("raw.", "ops.")):
        raise refuse(f"rows: {rows} needs a load_id, which only raw and ops tables have.")
    entries = content.get("expectations")
    if not isinstance(entries, list) or not entries:
        raise refuse("expectations must list at least one rule; an empty suite passes anything.")

    rules: list[Rule] = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise refuse("not a mapping of type, kwargs, severity and notes.", number)
        wanted = {"type", "kwargs", "severity", "notes"}
        if unknown := set(entry) - wanted:
            raise refuse(f"unknown key {_list(unknown)}; known are {_list(wanted)}.", number)
        if missing := wanted - set(entry):
            raise refuse(f"{_list(missing)} is missing.", number)
        if entry["severity"] not in SEVERITIES:
            raise refuse(
                f"severity is {entry['severity']!r}; it is one of {_list(SEVERITIES)}.", number
            )
        if not isinstance(entry["notes"], str) or not entry["notes"].strip():
            raise refuse("notes must say in a sentence what is true when the rule holds.", number)
        if not isinstance(entry["type"], str) or not isinstance(entry["kwargs"], dict):
            raise refuse("type must be a name and kwargs a mapping.", number)
        rule = Rule(entry["type"], entry["kwargs"], entry["severity"], entry["notes"].strip())
        if any((rule.type, rule.kwargs) == (other.type, other.kwargs) for other in rules):
            raise refuse("the same rule is there twice.", number)
        if reason := _misfit(rule, content["table"]):
            raise refuse(reason, number)
        rules.append(rule)
    least = rules[0].kwargs.get("min_value", rules[0].kwargs.get("value"))
    if not rules[0].type.startswith("expect_table_row_count_") or not least:
        raise refuse(
            "a row-count rule that an empty table breaks must come first, such as"
            " expect_table_row_count_to_be_between {min_value: 1}: all others hold on nothing.",
            0,
        )
    return Suite(file, content["table"], rows, tuple(rules))


def _misfit(rule: Rule, table: str) -> str | None:
    """Why the rule cannot work on this table, as far as can be seen without evaluating it."""
    if rule.type == SQL_RULE:
        query = rule.kwargs.get(QUERY)
        if not isinstance(query, str):
            return f"kwargs must hold {QUERY}."
        try:
            named = {name for _, name, _, _ in Formatter().parse(query) if name is not None}
        except ValueError as malformed:
            return f"{QUERY}: {malformed} (a brace that is meant is doubled)."
        if unknown := named - set(PLACEHOLDERS):
            known = _list(PLACEHOLDERS)
            return f"{QUERY}: unknown placeholder {_list(unknown)}; known are {known}."
        if "batch" not in named:
            return f"{QUERY} never reads {{batch}}, the rows this suite judges."
    schema, _, name = table.partition(".")
    feed = canonical_feeds().get(name) if schema == "raw" else None
    if feed:
        said = [rule.kwargs.get(key, []) for key in ("column", "column_list", "column_set")]
        names = {n for one in said for n in ([one] if isinstance(one, str) else one)}
        if unknown := names - set(feed.columns):
            return f"{name} has no column {_list(unknown)}."
    return None


def _chosen(suites: list[Suite], place: Path, layer: str, tables: list[str] | None) -> list[Suite]:
    """The suites of these tables of a layer, and of what its gate checks in other schemas."""
    if not suites:
        raise FieldscoreError(f"{_shown(place)} holds no expectations.")
    if tables is None:
        return suites
    wanted = {f"{layer}.{table}" for table in tables}
    if missing := wanted - {suite.table for suite in suites}:
        raise FieldscoreError(
            f"{_list(missing)} has no expectations; write"
            f" {_shown(place / min(missing).partition('.')[2])}.yml, at least a row-count rule."
        )
    elsewhere = [suite for suite in suites if not suite.table.startswith(f"{layer}.")]
    return [suite for suite in suites if suite.table in wanted] + elsewhere


def _stands(connection: psycopg.Connection, suite: Suite, standing: Collection[str]) -> bool:
    """Whether nothing comes tonight to a table of which enough is published."""
    if suite.table not in standing:
        return False
    any_row = sql.SQL("select 1 from {} limit 1").format(sql.Identifier(*suite.table.split(".")))
    return connection.execute(any_row).fetchone() is None


def _night(connection: psycopg.Connection, run_id: int) -> dict[str, str]:
    """The values of the placeholders we fill, as SQL literals."""
    night = connection.execute(
        """
        select
            business_date,
            (select coalesce(max(last_load_id), 0) from ops.runs where status = 'published'),
            case when rebuilt_because is null then (
                select min(load_id) from ops.loads where business_date > (
                    select max(business_date) - 30 from ops.loads
                    where business_date <= runs.business_date
                )
            ) end
        from ops.runs
        where run_id = %s
        """,
        [run_id],
    ).fetchone()
    if night is None:
        raise FieldscoreError(f"ops.runs has no run {run_id}: a gate belongs to an open run.")
    return {
        "business_date": f"date '{night[0]:%Y-%m-%d}'",
        "last_load_id": str(int(night[1])),
        "recent_load_id": str(int(night[2] or 0)),
        "run_id": str(int(run_id)),
    }


def _findings(
    connection: psycopg.Connection, connection_url: str, suites: list[Suite], night: dict[str, str]
) -> list[Finding]:
    """What the rules of these suites find, in the order in which they are written."""
    from great_expectations import get_context
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    # Everything it has to say is in its results; its logs would quote values. Its warnings are that
    # a source for PostgreSQL exists (it takes no sockets) and that schema_name goes one day.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="great_expectations")
    context = get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars={"globally": False},
            analytics_enabled=False,
        ),
    )
    url = _sqlalchemy_url(connection_url)
    # A table is read in place; a view or a choice of rows is made a temporary table, once.
    tables = context.data_sources.add_sql("tables", connection_string=url)
    choices = context.data_sources.add_sql("choices", connection_string=url, create_temp_table=True)
    findings = []
    try:
        for suite in suites:
            schema, _, name = suite.table.partition(".")
            kind = connection.execute(
                "select relkind from pg_class where oid = to_regclass(%s)", [suite.table]
            ).fetchone()
            if kind is None:
                first = suite.rules[0]
                lost = {"error": f"the table {suite.table} is missing"}
                findings.append(Finding(suite.table, first.label, "critical", False, lost))
            elif kind == ("r",) and suite.rows == "all" and schema != "raw":
                asset = tables.add_table_asset(suite.table, table_name=name, schema_name=schema)
                batch = asset.add_batch_definition_whole_table("rows")
                findings += _evaluated(batch, suite, {**night, "batch": suite.table})
            else:
                query = _query(connection, suite, night)
                asset = choices.add_query_asset(suite.table, query=query)
                findings += _evaluated(asset.add_batch_definition("rows"), suite, night)
    finally:
        tables.get_engine().dispose()
        choices.get_engine().dispose()
    return findings


def _evaluated(batch: Any, suite: Suite, night: dict[str, str]) -> list[Finding]:
    """What one suite finds: first counts alone, then a few examples of what may be shown."""
    from great_expectations import ExpectationSuite
    from great_expectations.validator.v1_validator import Validator

    # Not a ValidationDefinition: that keeps every result in a store, and takes half as long again.
    validator = Validator(batch)

    def run(numbers: list[int], result_format: str, examples: int) -> dict[int, Any]:
        if not numbers:
            return {}
        rules = [_expectation(suite, suite.rules[number], number, night) for number in numbers]
        validator.result_format = {
            "result_format": result_format,
            "partial_unexpected_count": examples,
        }
        results = validator.validate_expectation_suite(
            ExpectationSuite(name=suite.table, expectations=rules)
        ).results
        return {result.expectation_config.meta["number"]: result for result in results}

    everything = range(len(suite.rules))
    results = run(list(everything), "BASIC", 0)
    for number in everything:
        if number not in results:
            raise FieldscoreError(
                f"{_shown(suite.file)}, expectation {number + 1}: Great Expectations did not"
                " evaluate this rule."
            )
    shown = [
        number
        for number, result in results.items()
        if not result.success and _error(result) is None
        if not suite.rules[number].touches_personal
    ]
    in_sql = [number for number in shown if suite.rules[number].type == SQL_RULE]
    results |= run(in_sql, "COMPLETE", EXAMPLES)
    results |= run([number for number in shown if number not in in_sql], "BASIC", EXAMPLES)
    return [_finding(suite, suite.rules[number], results[number]) for number in everything]


def _query(connection: psycopg.Connection, suite: Suite, night: dict[str, str]) -> str:
    """The rows a suite judges, as a query.

    Raw text is read as its declaration says (nulls and words, not types), and only the columns that
    a rule names are read, so that a rule's own words are ours and nothing else is touched.
    """
    schema, _, name = suite.table.partition(".")
    feed = canonical_feeds().get(name) if schema == "raw" else None
    if feed:
        named = set().union(*(rule.words for rule in suite.rules))
        columns = [
            sql.SQL("ops.delivered({}, said.null_tokens, said.value_maps -> {}) as {}").format(
                sql.Identifier("delivered", column), sql.Literal(column), sql.Identifier(column)
            )
            if column in feed.columns
            else sql.Identifier("delivered", column)
            for column in _columns(connection, suite.table)
            if column in named or column in ("load_id", "row_number")
        ]
        reading = sql.SQL("left join ops.declarations as said on said.feed = {}").format(name)
    else:
        columns, reading = [sql.SQL("delivered.*")], sql.SQL("")
    query = sql.SQL("select {} from {} as delivered {} where {}").format(
        sql.SQL(", ").join(columns),
        sql.Identifier(schema, name),
        reading,
        sql.SQL(ROWS[suite.rows].format(**night)),
    )
    return query.as_string(connection)


def _expectation(suite: Suite, rule: Rule, number: int, night: dict[str, str] | None = None) -> Any:
    """The rule as an object of Great Expectations, with our placeholders filled."""
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kwargs = dict(rule.kwargs)
    if rule.type == SQL_RULE:
        for placeholder, value in (night or {}).items():
            kwargs[QUERY] = kwargs[QUERY].replace(f"{{{placeholder}}}", value)
        # Of a query that does not name it, Great Expectations prints that it should.
        kwargs[QUERY] += " /* {batch} */"
    try:
        return ExpectationConfiguration(
            type=rule.type, kwargs=kwargs, severity=rule.severity, meta={"number": number}
        ).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as refused:
        reason = " ".join(str(refused).split())
        raise FieldscoreError(
            f"{_shown(suite.file)}, expectation {number + 1}: {rule.type} with"
            f" {_list(rule.kwargs) or 'no arguments'} is no rule: {reason}"
        ) from refused


def _finding(suite: Suite, rule: Rule, result: Any) -> Finding:
    """A result, without anything personal."""
    found = result.to_json_dict()["result"]
    if (error := _error(result)) is not None:
        if LOST_CONNECTION.search(str(result.exception_info)):
            raise PassingFault(f"{suite.table}: the warehouse went away during a gate: {error}")
        gone = re.search(r'column "(\w+)" in BatchData does not exist', error)
        if gone:
            error = f"the column {gone[1]} is missing"
        elif rule.touches_personal:
            error = "not evaluated; why is withheld, it may quote personal values"
        return Finding(suite.table, rule.label, "critical", False, {"error": error})
    if rule.type == SQL_RULE:
        observed = {"unexpected_rows": found["observed_value"]}
        examples = found.get("details", {}).get("unexpected_rows")
    else:
        kept = ["element_count", "unexpected_count", "unexpected_percent"]
        if not rule.touches_personal:
            kept.append("observed_value")
        observed = {key: found[key] for key in kept if found.get(key) is not None}
        examples = found.get("partial_unexpected_list")
    if examples and not rule.touches_personal:
        observed["examples"] = examples[:EXAMPLES]
    return Finding(suite.table, rule.label, rule.severity, bool(result.success), observed)


def _error(result: Any) -> str | None:
    """The first line of what went wrong while a rule was evaluated; None when nothing did."""
    # One mapping, or one per measure the rule needs.
    info = result.exception_info or {}
    for one in [info, *info.values()]:
        if isinstance(one, dict) and one.get("raised_exception"):
            return str(one.get("exception_message")).splitlines()[0]
    return None


def _keep(connection: psycopg.Connection, run_id: int, gate: str, findings: list[Finding]) -> None:
    """Write the findings, in place of those of an earlier attempt of this run and gate."""
    lease.check(connection, run_id)
    connection.execute(
        "delete from ops.quality_results where run_id = %s and gate = %s", [run_id, gate]
    )
    connection.cursor().executemany(
        "insert into ops.quality_results"
        " (run_id, gate, table_name, expectation, severity, success, observed)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        [
            (run_id, gate, f.table, f.expectation, f.severity, f.success, Jsonb(f.observed))
            for f in findings
        ],
    )


def _columns(connection: psycopg.Connection, table: str) -> list[str]:
    """The columns of a table or view; none when it does not exist."""
    columns = connection.execute(
        "select column_name from information_schema.columns"
        " where table_schema = %s and table_name = %s order by ordinal_position",
        table.split(".", 1),
    ).fetchall()
    return [name for (name,) in columns]


def _sqlalchemy_url(connection_url: str) -> str:
    """The URL for SQLAlchemy's psycopg dialect; all in its query, where sockets work too."""
    from sqlalchemy import URL

    place = {key: str(value) for key, value in conninfo_to_dict(connection_url).items()}
    return URL.create("postgresql+psycopg", query=place).render_as_string(hide_password=False)


def _told(observed: dict[str, Any]) -> str:
    """What was observed, for people."""
    if "error" in observed:
        return observed["error"]
    if "unexpected_rows" in observed:
        count = observed["unexpected_rows"]
        told = f"{count:,} row{'s' * (count != 1)}"
    elif "unexpected_count" in observed:
        share = observed.get("unexpected_percent")
        told = f"{observed['unexpected_count']:,}"
        told += f" of {observed['element_count']:,}" if "element_count" in observed else ""
        told += f" values ({share:.3g} %)" if share else " values"
    else:
        value = observed.get("observed_value", "nothing that may be shown")
        told = _list(value) if isinstance(value, list) else f"{value}"

    def plain(value: Any) -> str:
        return f"{value:.15g}" if isinstance(value, float) else str(value)

    examples = [
        ", ".join(f"{key} {plain(value)}" for key, value in example.items())
        if isinstance(example, dict)
        else plain(example)
        for example in observed.get("examples", [])
    ]
    return f"{told}, such as {'; '.join(examples)}" if examples else told


def _list(names: Any) -> str:
    return ", ".join(sorted(str(name) for name in names))


def _shown(file: Path) -> Path:
    return file.relative_to(PROJECT) if file.is_relative_to(PROJECT) else file
