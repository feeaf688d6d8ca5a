"""The files of a delivery.

A line is not formatted, it is looked up: every column is a table of byte strings and a position in
it per row, which makes a million lines in two or three seconds.
"""

from __future__ import annotations

import csv
import gzip
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import IO

import numpy as np

from fieldscore.sample_company.columns import FEEDS, Column, Texts
from fieldscore.sample_company.dirt import dirty_lines

ROWS_AT_ONCE = 20_000


def stacked(parts: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """One array of all these rows. As plain bytes: numpy joins structured rows field by field."""
    raw = f"V{dtype.itemsize}"
    return np.concatenate([np.zeros(0, raw), *(part.view(raw) for part in parts)]).view(dtype)


def lines(columns: dict[str, Column]) -> bytearray:
    """The CSV lines of these columns, without a header.

    Every part gets its full width in a sheet of bytes; what is left empty is dropped at the end.
    """
    fields: list[tuple[str, np.dtype]] = []
    for name, column in columns.items():
        fields += [(f"{name} {i}", table.dtype) for i, (table, _) in enumerate(column)]
        fields.append((f"{name} end", np.dtype("S1")))
    line = np.zeros(1, fields)
    for name in columns:
        line[f"{name} end"] = b","
    line[fields[-1][0]] = b"\n"
    count = len(next(iter(columns.values()))[0][1])
    text = bytearray(line.tobytes() * count)
    sheet = np.frombuffer(text, line.dtype)
    for name, column in columns.items():
        for i, (table, positions) in enumerate(column):
            sheet[f"{name} {i}"] = table.take(positions)
    return text.translate(None, b"\0")


class Delivery:
    """All feeds of one delivery date, written while their rows come in.

    A context; ``rows`` counts what was written, by feed. A second thread compresses one piece of
    text while the next is made.
    """

    def __init__(
        self, landing: Path, delivered: date, texts: Texts, *, compressed: bool, dirty: bool
    ) -> None:
        self.rows = dict.fromkeys(FEEDS, 0)
        self._date, self._texts, self._dirty = delivered, texts, dirty
        self._waiting: dict[str, list[np.ndarray]] = {feed: [] for feed in FEEDS}
        self._good: dict[str, np.ndarray] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        for name, feed in FEEDS.items():
            folder = landing / name / str(delivered)
            folder.mkdir(parents=True)
            path = folder / (f"{name}.csv.gz" if compressed else f"{name}.csv")
            file = self._open.enter_context(path.open("wb"))
            if compressed:
                # No name and no time in the header; level 1 takes half the time of level 3.
                file = self._open.enter_context(gzip.GzipFile("", "wb", 1, file, mtime=0))
            file.write(",".join(feed.columns(texts, np.zeros(0, feed.rows))).encode() + b"\n")
            self._files[name] = file
        self._writer = self._open.enter_context(ThreadPoolExecutor(1))
        self._writing: Future | None = None

    def add(self, feed: str, rows: np.ndarray) -> None:
        self._waiting[feed].append(rows)
        if sum(map(len, self._waiting[feed])) >= ROWS_AT_ONCE:
            self._write(feed)

    def _write(self, feed: str) -> None:
        rows = stacked(self._waiting[feed], FEEDS[feed].rows)
        self._waiting[feed] = []
        self._append(feed, lines(FEEDS[feed].columns(self._texts, rows)), len(rows))
        ended = np.flatnonzero(FEEDS[feed].ended(rows))
        if len(ended):
            self._good[feed] = rows[ended[-1:]]

    def _append(self, feed: str, text: bytes | bytearray, rows: int) -> None:
        if self._writing:
            self._writing.result()  # raises what went wrong, and lets no more than one piece wait
        self._writing = self._writer.submit(self._files[feed].write, text)
        self.rows[feed] += rows

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        with self._open:
            if failed:
                return
            for feed in FEEDS:
                self._write(feed)
                if self._dirty and feed in self._good:
                    columns = FEEDS[feed].columns(self._texts, self._good[feed])
                    [values] = csv.reader([lines(columns).decode()])
                    good = dict(zip(columns, values, strict=True))
                    dirty = dirty_lines(feed, good, self.rows[feed], self._date)
                    self._append(feed, "".join(dirty).encode(), len(dirty))
            self._writing.result()
