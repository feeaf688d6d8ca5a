"""Files below ``<landing>/<feed>/<YYYY-MM-DD>/``, in a local folder or an object store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from fieldscore import readers
from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import Settings
from fieldscore.sources import Delivery

# What writers name files they have not finished, or that only tell that they have.
HIDDEN = (".", "_")
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", "~")

# Corrected rejects, put there by fieldscore.replay: part of the feed whatever its pattern says.
REPLAYED = re.compile(r"replay-of-load-\d+\.(csv|tsv|jsonl)")

# What changes when a file does, in the words of the various stores; the first that is there.
CHANGES = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True)
class _File:
    business_date: date
    name: str
    path: str
    info: dict[str, Any]

    @property
    def mark(self) -> str:
        return _mark(self.info)


def deliveries(
    settings: Settings,
    declaration: Declaration,
    business_date: date,
    known: Mapping[tuple[date, str], str],
) -> Iterator[Delivery]:
    """The files up to and of a business date, by date and name, read one by one.

    known: the marks of files already landed, by date and name; these are not read again. Raises
    PassingFault for a file that changes while it is read.
    """
    store, files = _files(settings, declaration)
    for file in files:
        if file.business_date <= business_date and known.get(_key(file)) != file.mark:
            data = _read(store, file, declaration.feed)
            yield Delivery(declaration.feed, file.business_date, file.name, data, file.mark)


def is_delivered(settings: Settings, declaration: Declaration, business_date: date) -> bool:
    """Whether there is any file for the date, landed or not."""
    _, files = _files(settings, declaration)
    return any(file.business_date == business_date for file in files)


def store_of(settings: Settings, feed: str) -> tuple[Any, str]:
    """The file system of the landing, and the feed's folder in it.

    Raises FieldscoreError for a landing no installed file system reads.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        folder = ObjectStoragePath(settings.landing) / feed
        return folder.fs, folder.path.rstrip("/")
    except ValueError as unknown:
        raise FieldscoreError(
            f"FIELDSCORE_LANDING: {settings.landing}: {unknown}. Install the Airflow provider of"
            " that store, or give a local folder."
        ) from unknown


def _files(settings: Settings, declaration: Declaration) -> tuple[Any, list[_File]]:
    """The store and the feed's finished files that match its pattern, by date and name.

    Raises FieldscoreError as store_of does, and for files that are in no date folder or that are
    links: these may lead out of the landing.
    """
    store, root = store_of(settings, declaration.feed)
    store.invalidate_cache(root)
    files, astray, links = [], [], []
    for path, info in store.find(root, detail=True).items():
        day, _, name = path[len(root) + 1 :].partition("/")
        parts = [day, *name.split("/")]
        if any(part.startswith(HIDDEN) for part in parts) or path.endswith(UNFINISHED):
            continue
        if info.get("islink") or info.get("type") != "file":
            links.append(path[len(root) + 1 :])
        elif not name or (business_date := _date(day)) is None:
            astray.append(path[len(root) + 1 :])
        elif fnmatchcase(name, declaration.path) or REPLAYED.fullmatch(name):
            files.append(_File(business_date, name, path, info))
    where = f"{declaration.feed}: {settings.landing.rstrip('/')}/{declaration.feed}"
    if astray:
        raise FieldscoreError(
            f"{where}: {_some(astray)} not in a folder named by a date, such as 2026-03-09; move it"
            " there, or out of the landing."
        )
    if links:
        raise FieldscoreError(
            f"{where}: {_some(links)} no ordinary file; links and the like may lead out of the"
            " landing. Put the file itself there."
        )
    return store, sorted(files, key=_key)


def _read(store: Any, file: _File, feed: str) -> bytes:
    where = f"{feed}: {file.business_date}/{file.name}"
    if file.info["size"] > readers.LARGEST_FILE:
        raise FieldscoreError(
            f"{where}: more than {readers.LARGEST_FILE:,} bytes; deliver it in smaller files."
        )
    try:
        before = store.info(file.path)
        data = store.cat_file(file.path)
        store.invalidate_cache(file.path)
        after = store.info(file.path)
    except FileNotFoundError as gone:
        raise PassingFault(f"{where}: the file went away while it was read.") from gone
    except PermissionError as refused:
        raise FieldscoreError(f"{where}: no right to read the file; grant it.") from refused
    if _mark(before) != _mark(after) or len(data) != after["size"]:
        raise PassingFault(
            f"{where}: the file changed while it was read; deliver it under another name"
            " (.part) and rename it when it is whole."
        )
    return data


def _mark(info: dict[str, Any]) -> str:
    changed = next((info[key] for key in CHANGES if info.get(key)), "")
    return f"{info['size']} {changed}"


def _key(file: _File) -> tuple[date, str]:
    return file.business_date, file.name


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    shown = ", ".join(f"'{name}'" for name in sorted(names)[:5])
    return f"{shown}{more} {'are' if len(names) > 1 else 'is'}"
