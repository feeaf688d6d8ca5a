"""What a warehouse keeps, by room, and what was delivered into it, in bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

from fieldscore import warehouse
from fieldscore.settings import Settings

SPLIT = """
select
    case
        when schemas.nspname = 'staging' and tables.relname like '%\\_history'
            then 'staging, history'
        when schemas.nspname = 'staging' then 'staging, typed rows'
        when schemas.nspname = 'pg_catalog' then 'catalog of the database'
        else schemas.nspname
    end as room,
    sum(pg_table_size(tables.oid)) as in_tables,
    sum(pg_indexes_size(tables.oid)) as in_indexes
from pg_class as tables
inner join pg_namespace as schemas on schemas.oid = tables.relnamespace
where tables.relkind in ('r', 'm') and schemas.nspname not in ('information_schema', 'pg_toast')
group by 1
order by 2 desc
"""


def split(settings: Settings) -> dict[str, int]:
    """The bytes of each room's tables, and of all their indexes together."""
    with warehouse.connect(settings) as connection:
        rooms = connection.execute(SPLIT).fetchall()
    return {room: int(tables) for room, tables, _ in rooms} | {
        "all indexes": sum(int(indexes) for *_, indexes in rooms)
    }


def delivered(landing: Path) -> int:
    """The bytes of all deliveries below a folder; of what is gzipped, those it unfolds to."""
    return sum(_size(path) for path in landing.rglob("*.csv*"))


def _size(path: Path) -> int:
    if path.suffix != ".gz":
        return path.stat().st_size
    size = 0
    with gzip.open(path) as file:
        while part := file.read(1 << 20):
            size += len(part)
    return size
