"""The folder of feed declarations: which feeds there are, and what is wrong with what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fieldscore.canonical import canonical_feeds
from fieldscore.errors import FieldscoreError

if TYPE_CHECKING:  # a DAG file asks for declared_feeds alone and must not pay for the models
    import psycopg

    from fieldscore.declaration import Declaration


def declared_feeds(folder: Path) -> list[str]:
    """The canonical feeds that have a declaration, right or wrong, in canonical order.

    Never raises: a folder nobody can read declares nothing here, and load_declarations says why.
    """
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return []
    return [feed for feed in canonical_feeds() if f"{feed}.yml" in names]


def load_declarations(folder: Path) -> dict[str, Declaration]:
    """Every declaration of the folder by feed, in canonical order.

    Raises one FieldscoreError with a line ``<file>: <key>: <reason>`` for everything that is wrong.
    """
    if not folder.is_dir():
        raise FieldscoreError(f"{folder}: no such folder of declarations; see FIELDSCORE_FEEDS.")
    declarations, wrong = {}, []
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".yml", ".yaml") or path.name.startswith("."):
            continue
        declaration, found = _load(path)
        wrong += [f"{path.name}: {key}: {reason}" for key, reason in found]
        if declaration:
            declarations[declaration.feed] = declaration
    if wrong:
        raise FieldscoreError("\n".join(wrong))
    if not declarations:
        raise FieldscoreError(f"{folder}: no declaration in it; dags/feeds/README.md shows how.")
    return {feed: declarations[feed] for feed in canonical_feeds() if feed in declarations}


def store_declarations(
    connection: psycopg.Connection, declarations: dict[str, Declaration], default_zone: str
) -> None:
    """Make ``ops.declarations`` say what the declarations say, in the caller's transaction.

    default_zone: the project's IANA zone. declared_at moves only where the reading changed.
    """
    from psycopg.types.json import Jsonb

    for declaration in declarations.values():
        row = declaration.interpretation(default_zone)
        connection.execute(
            """
            insert into ops.declarations
                (feed, fingerprint, null_tokens, value_maps, time_zone, patterns, templates,
                counts_from)
            values (
                %(feed)s, %(fingerprint)s, %(null_tokens)s, %(value_maps)s, %(time_zone)s,
                %(patterns)s, %(templates)s, %(counts_from)s
            )
            on conflict (feed) do update set
                fingerprint = excluded.fingerprint,
                null_tokens = excluded.null_tokens,
                value_maps = excluded.value_maps,
                time_zone = excluded.time_zone,
                patterns = excluded.patterns,
                templates = excluded.templates,
                declared_at = excluded.declared_at,
                counts_from = excluded.counts_from
            where (declarations.fingerprint, declarations.counts_from)
                is distinct from (excluded.fingerprint, excluded.counts_from)
            """,
            row | {"value_maps": Jsonb(row["value_maps"]), "counts_from": declaration.start},
        )
    connection.execute(
        "delete from ops.declarations where feed <> all(%s::varchar[])", [list(declarations)]
    )


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, which YAML itself forbids and SafeLoader overlooks."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def _load(path: Path) -> tuple[Declaration | None, list[tuple[str, str]]]:
    """A declaration, or None, and what is wrong with it as (key, reason)."""
    from pydantic import ValidationError

    from fieldscore.declaration import Declaration, problems

    feeds = canonical_feeds()
    if path.suffix != ".yml" or path.stem not in feeds:
        return None, [("file name", f"must be one of {', '.join(f'{feed}.yml' for feed in feeds)}")]
    try:
        said = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [(f"line {line}", f"not YAML: {error.problem}")]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [("line ?", f"not YAML: {' '.join(str(error).split())}")]
    if said is None:
        said = {}  # nothing said: every default
    if not isinstance(said, dict):
        return None, [("line 1", "not a mapping of keys to values")]
    if "feed" in said:
        return None, [("feed", "unknown key: the file's name says the feed")]
    said = {str(key): value for key, value in said.items()} | {"feed": path.stem}
    try:
        declaration = Declaration.model_validate(said)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        spoilt = {error["loc"][0] for error in errors}
        found = [_told(error) for error in errors]
        if not spoilt & {"connector", "required", "constants"}:  # what other keys are judged by
            rest = Declaration.model_validate({k: v for k, v in said.items() if k not in spoilt})
            found += [
                finding for finding in problems(rest) if finding[0].split(".")[0] not in spoilt
            ]
        return None, found
    return declaration, list(problems(declaration))


def _told(error: Any) -> tuple[str, str]:
    """One of pydantic's findings as (key, reason)."""
    from fieldscore.declaration import Declaration, Http, Sql

    place = [str(part) for part in error["loc"] if part != "[key]"]
    if error["type"] in ("extra_forbidden", "invalid_key"):
        model = {"http": Http, "sql": Sql}.get(place[0] if len(place) > 1 else "", Declaration)
        known = [name for name in model.model_fields if name != "feed"]
        return ".".join(place), f"unknown key; known are {', '.join(known)}"
    if error["type"] == "string_type":
        return ".".join(place), f"must be text: put {error['input']!r} in quotes"
    return ".".join(place), error["msg"].replace("Input should", "should")
