"""The canonical feeds, as ``dbt_project/models/staging/_raw__sources.yml`` describes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import yaml

from fieldscore.settings import PROJECT

SOURCES = PROJECT / "dbt_project" / "models" / "staging" / "_raw__sources.yml"

# Where a raw row came from, before its delivered columns. row_hash: 16 bytes over the delivered
# values; extra: declared harmless columns of theirs that have no canonical name.
PROVENANCE = {
    "load_id": "bigint not null",
    "row_number": "bigint not null",
    "row_hash": "bytea",
    "extra": "jsonb",
}

# The feed whose rows are about records of the others.
CORRECTIONS = "corrections"


@dataclass(frozen=True)
class Column:
    """One canonical column; its fields are the keys of ``config.meta`` in the sources file."""

    name: str
    type: str = "text"
    key: bool = False
    present: bool = False
    filled: bool = False
    personal: bool = False
    confidential: bool = False
    happened: bool = False
    dispatched: bool = False
    values: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    only: str | None = None


@dataclass(frozen=True)
class Feed:
    """One canonical feed; ``core`` feeds are enough for a score."""

    name: str
    core: bool
    columns: dict[str, Column]

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns.values() if column.key]

    @property
    def personal(self) -> list[str]:
        return [column.name for column in self.columns.values() if column.personal]

    @property
    def confidential(self) -> list[str]:
        return [column.name for column in self.columns.values() if column.confidential]

    @property
    def withheld(self) -> list[str]:
        """Columns whose values are shown nowhere, nor kept as they are where others can read them.

        A correction's new value is one of another feed's column, perhaps of a personal one.
        """
        return self.personal + self.confidential + ["new_value"] * (self.name == CORRECTIONS)


@cache
def canonical_feeds() -> dict[str, Feed]:
    """Every canonical feed by name, in the order of the sources file."""
    [source] = [s for s in yaml.safe_load(SOURCES.read_text())["sources"] if s["name"] == "raw"]
    feeds = {}
    for table in source["tables"]:
        columns = {}
        for column in table["columns"]:
            meta = dict(column.get("config", {}).get("meta", {}))
            meta["values"] = tuple(meta.get("values", ()))
            columns[column["name"]] = Column(name=column["name"], **meta)
        core = bool(table.get("config", {}).get("meta", {}).get("core"))
        feeds[table["name"]] = Feed(table["name"], core, columns)
    return feeds
