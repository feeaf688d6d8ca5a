"""What the declaration of a feed may say, and what it means for the reading of that feed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from fieldscore.canonical import Feed, canonical_feeds

# Never a value, whatever is declared: else every nameless customer would become one and the same.
NO_VALUE = frozenset({"", "NULL"})

# What a format may hold, each as the regular expression (PostgreSQL's) that finds it in the text.
# One digit will do where a person would write one, unless the digits run on: see `rewriting`.
PARTS = {
    "%Y": r"\d{4}",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{1,2}",
    "%S": r"\d{1,2}",
    "%f": r"\d{1,9}",
    "%p": "[AaPp][Mm]",
    "%z": r"Z|[+-]\d{2}(?::?\d{2})?",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Http(_Strict):
    """Where an ``http`` feed is asked for. Keys into an answer are dotted: ``data.items``."""

    connection_id: str = Field(min_length=1)
    path: str = Field(pattern="^/")
    parameters: dict[str, str] = {}
    records: str | None = None
    page_parameter: str | None = None
    first_page: int = Field(1, ge=0)
    page_size_parameter: str | None = None
    page_size: int | None = Field(None, ge=1)
    next: str | None = None
    next_parameter: str | None = None
    cursor_parameter: str | None = None
    cursor_field: str | None = None


class Sql(_Strict):
    """What a ``sql`` feed is asked. ``:business_date`` in the query is bound, never pasted in."""

    connection_id: str = Field(min_length=1)
    query: str


class Declaration(_Strict):
    """One feed's declaration; ``dags/feeds/README.md`` explains every key."""

    feed: str
    connector: Literal["files", "http", "sql"] = "files"
    required: bool = False
    start: date | None = None
    wait_minutes: float = Field(0, ge=0, le=720)
    may_be_empty: bool = False
    path: str = Field("*", min_length=1)
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: str | None = None
    null_tokens: list[str] = []
    timestamp_formats: list[str] = []
    date_formats: list[str] = []
    time_zone: str | None = None
    columns: dict[str, str] | None = Field(None, min_length=1)
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    personal: list[str] = []
    harmless: list[str] = []
    http: Http | None = None
    sql: Sql | None = None

    @property
    def canonical(self) -> Feed:
        return canonical_feeds()[self.feed]

    @property
    def theirs(self) -> dict[str, str]:
        """Their column for each of ours that is read: as mapped, else every one by its own name."""
        if self.columns is not None:
            return self.columns
        return {name: name for name in self.canonical.columns if name not in self.constants}

    @property
    def hashed(self) -> frozenset[str]:
        """Our columns that are stored as keyed hashes alone."""
        return frozenset(self.canonical.personal) | frozenset(self.personal)

    @property
    def withheld(self) -> frozenset[str]:
        """Our columns whose values are shown nowhere."""
        return self.hashed | frozenset(self.canonical.withheld)

    @property
    def nulls(self) -> frozenset[str]:
        """The words that mean no value."""
        return NO_VALUE | frozenset(self.null_tokens)

    def interpretation(self, default_zone: str) -> dict[str, object]:
        """How this feed's text is to be read: its row of ``ops.declarations``, but for the times.

        default_zone: the project's zone, for a feed that declares none. fingerprint: sha256 of all
        the rest, so that a changed reading is noticed.
        """
        rewritten = dict(map(rewriting, self.timestamp_formats + self.date_formats))
        reading = {
            "null_tokens": sorted(self.nulls),
            "value_maps": self.values,
            "time_zone": self.time_zone or default_zone,
            "patterns": list(rewritten),
            "templates": list(rewritten.values()),
        }
        text = json.dumps(reading, sort_keys=True)
        return {
            "feed": self.feed,
            "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
            **reading,
        }


def rewriting(form: str) -> tuple[str, str]:
    r"""A format as (pattern, template) for ``regexp_replace``, which makes ISO 8601 of its text.

    ``%d/%m/%Y %H:%M`` becomes ``^(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{1,2})$`` and
    ``\3-\2-\1 \4:\5``; a single digit stays one. Raises ValueError with what is wrong with it.
    """
    pieces = re.findall(r"%.?|[^%]+", form)
    pattern, places = "", {}
    for before, piece, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
        if not piece.startswith("%"):
            pattern += re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", piece)
            continue
        if piece not in PARTS:
            raise ValueError(f"{piece} is not one of {' '.join(PARTS)}")
        if piece in places:
            raise ValueError(f"{piece} is there twice")
        places[piece] = f"\\{len(places) + 1}"
        runs_on = _digits(before[-1:], before) or _digits(after[:1], after)
        part = PARTS[piece]
        pattern += f"({part.replace('{1,2}', '{2}') if runs_on else part})"
    if missing := [part for part in ("%Y", "%m", "%d") if part not in places]:
        raise ValueError(f"{' '.join(missing)} is missing")
    template = "{%Y}-{%m}-{%d}"
    if timed := set(places) - {"%Y", "%m", "%d"}:
        hour = "%I" if "%I" in places else "%H"
        if not {hour, "%M"} <= timed or ("%p" in timed) != (hour == "%I") or {"%H", "%I"} <= timed:
            raise ValueError("a time of day needs %H and %M, or %I, %M and %p")
        template += f" {{{hour}}}:{{%M}}"
        if "%f" in timed and "%S" not in timed:
            raise ValueError("%f needs %S")
        template += ":{%S}" * ("%S" in timed) + ".{%f}" * ("%f" in timed)
        template += " {%p}" * ("%p" in timed) + "{%z}" * ("%z" in timed)
    return f"^{pattern}$", template.format(**places)


def _digits(edge: str, piece: str) -> bool:
    """Whether the neighbouring piece touches with a digit."""
    return edge.isdigit() or r"\d" in PARTS.get(piece, "")


def problems(declaration: Declaration) -> Iterator[tuple[str, str]]:
    """Everything that types alone cannot find wrong with a declaration, as (key, reason)."""
    for key, value in declaration.model_dump().items():
        if any(re.search("[\0\ud800-\udfff]", text) for text in _texts(value)):
            yield key, "holds a NUL byte or half a character, which no text of a delivery can"
    yield from _connector_problems(declaration)
    yield from _format_problems(declaration)
    yield from _column_problems(declaration)


def _connector_problems(declaration: Declaration) -> Iterator[tuple[str, str]]:
    connector, http, sql = declaration.connector, declaration.http, declaration.sql
    for name, section in (("http", http), ("sql", sql)):
        if section is None and connector == name:
            yield name, f"is needed by connector {name}"
        if section is not None and connector != name:
            yield name, f"is for connector {name}, this is connector {connector}"
    if connector != "files":
        only_files = {"path", "encoding", "delimiter", "wait_minutes"}
        for key in sorted(only_files & declaration.model_fields_set):
            yield key, "is for connector files alone"
    delimiter = declaration.delimiter
    if delimiter is not None and not re.fullmatch(r"[\t -~]", delimiter):
        yield "delimiter", r"must be one ASCII character, such as ; or \t"
    elif delimiter is not None and (delimiter.isalnum() or delimiter == '"'):
        yield "delimiter", "cannot be a letter, a digit or a quotation mark"
    if declaration.wait_minutes and not declaration.required:
        yield "wait_minutes", "is for a required feed; nothing waits for an optional one"
    if http:
        if http.page_parameter and http.next:
            yield "http.next", "and page_parameter are two ways to page; give one"
        for one, other in (
            ("page_size", "page_size_parameter"),
            ("cursor_parameter", "cursor_field"),
        ):
            if (getattr(http, one) is None) != (getattr(http, other) is None):
                yield f"http.{one}", f"and {other} go together"
        if http.next_parameter and not http.next:
            yield "http.next_parameter", "needs next, the key of the answer that holds its value"
    if sql:
        names = set(re.findall(r"(?<![:\w\\]):(\w+)(?!:)", sql.query))
        if "business_date" not in names:
            yield (
                "sql.query",
                (
                    "must say :business_date, the date whose rows it returns; write"
                    " cast(:business_date as date), not ::date"
                ),
            )
        for name in sorted(names - {"business_date"}):
            yield "sql.query", rf":{name} is no parameter; write \:{name} where a colon is meant"
        if not re.match(r"\s*(select|with)\b", sql.query, re.IGNORECASE):
            yield "sql.query", "must start with select or with"


def _format_problems(declaration: Declaration) -> Iterator[tuple[str, str]]:
    if declaration.time_zone is not None:
        try:
            ZoneInfo(declaration.time_zone)
        except (KeyError, ValueError, OSError):
            yield "time_zone", f"{declaration.time_zone!r} is not an IANA time zone"
    first: dict[str, tuple[str, str]] = {}
    for key in ("timestamp_formats", "date_formats"):
        for form in getattr(declaration, key):
            try:
                pattern, template = rewriting(form)
            except ValueError as wrong:
                yield key, f"{form!r}: {wrong}"
                continue
            if (":" in template) != (key == "timestamp_formats"):
                wanted = "needs a time of day" if key == "timestamp_formats" else "is for days"
                yield key, f"{form!r}: {key} {wanted}"
            known_form, known_template = first.setdefault(pattern, (form, template))
            if template != known_template:
                yield key, f"{form!r}: reads the same text as {known_form!r}, otherwise"


def _column_problems(declaration: Declaration) -> Iterator[tuple[str, str]]:
    columns = declaration.canonical.columns
    read = set(declaration.theirs) | set(declaration.constants)
    for key in ("columns", "constants", "values", "personal"):
        for name in getattr(declaration, key) or ():
            if name not in columns:
                yield f"{key}.{name}", f"no column of {declaration.feed}; it has {_list(columns)}"
    for column in columns.values():
        if column.present and column.name not in read:
            yield "columns", f"{column.name} must be mapped, or be one of constants"
    for name, theirs in (declaration.columns or {}).items():
        if name in declaration.constants:
            yield f"constants.{name}", "is mapped in columns too; keep one"
        if not theirs.strip():
            yield f"columns.{name}", "names no column of theirs"

    for name, value in declaration.constants.items():
        if name in columns and columns[name].key:
            yield f"constants.{name}", "is the key; a constant would make all records one"
        elif name in columns:
            yield from _value_problems(declaration, f"constants.{name}", name, value)
    for name, words in declaration.values.items():
        if name in columns and name not in read:
            yield f"values.{name}", "is not read: columns does not map it"
        elif name in columns and name in declaration.hashed:
            yield f"values.{name}", "is personal: it is hashed before values could be replaced"
        elif name in columns:
            for word, ours in words.items():
                yield from _value_problems(declaration, f"values.{name}.{word}", name, ours)

    keys = {name for feed in canonical_feeds().values() for name in feed.key}
    for name in declaration.personal:
        column = columns.get(name)
        if name in keys:
            yield f"personal.{name}", "identifies records of a feed and cannot be hashed"
        elif column and (column.type != "text" or column.values or column.only):
            yield f"personal.{name}", "is read as more than text and cannot be hashed"
    secret = {their for name, their in declaration.theirs.items() if name in declaration.withheld}
    for name, theirs in declaration.theirs.items():
        if theirs in secret and name in columns and name not in declaration.withheld:
            yield (
                f"columns.{name}",
                f"{theirs!r} is personal elsewhere and cannot be stored as it is",
            )
    for theirs in declaration.harmless:
        if theirs in secret | declaration.withheld:
            yield f"harmless.{theirs}", "is personal"


def _value_problems(
    declaration: Declaration, key: str, name: str, value: str
) -> Iterator[tuple[str, str]]:
    column = declaration.canonical.columns[name]
    accepted = column.values or (("true", "false") if column.type == "boolean" else ())
    if accepted and value not in accepted:
        yield key, f"{value!r} is not one of {_list(accepted)}"


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value and what it is made of."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
