"""Rejected rows once more: written out for a person to correct, then delivered again.

Corrected rows are one more delivery of their date, with a ledger entry of its own; what was landed
and rejected before stays as it was. So the landing remains all that a warehouse is made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from fieldscore import readers, warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.feeds import load_declarations
from fieldscore.settings import Settings
from fieldscore.sources import files

SHOWN = 20  # rejects that are told; ops.rejects has them all


def replay(settings: Settings, load_id: int, say: Callable[[str], None] = print) -> date | None:
    """Write a load's rejected rows beside their delivery; of a draft that is there, deliver it.

    Returns the business date whose night brings in what was delivered now, None after writing.
    Raises FieldscoreError when the load has no rejects or its delivery is not there as it landed.
    """
    with warehouse.connect(settings) as connection:
        load = connection.execute(
            "select feed, business_date, file, sha256 from ops.loads where load_id = %s", [load_id]
        ).fetchone()
    if load is None:
        raise FieldscoreError(f"There is no load {load_id}; ops.rejects and ops.loads name them.")
    feed, business_date, file, sha256 = load
    what = f"load {load_id} ({feed}: {business_date}/{file})"
    declaration = load_declarations(settings.feeds).get(feed)
    if declaration is None or declaration.connector != "files":
        raise FieldscoreError(
            f"{what} did not come as a file, or its feed is not declared any more: correct the"
            " records where they come from; the next night brings their newer versions."
        )
    store, root = files.store_of(settings, feed)
    folder = f"{root}/{business_date}"
    store.invalidate_cache(folder)
    there = {path.rpartition("/")[2]: path for path in store.find(folder)}
    for ending in sorted(readers.PACKABLE):
        delivered = f"replay-of-load-{load_id}.{ending}"
        if draft := there.get(f"{delivered}.part"):
            store.mv(draft, f"{folder}/{delivered}")
            say(f"delivered the corrected rows of {what} as {delivered}")
            return business_date
        if delivered in there:
            raise FieldscoreError(
                f"{what} was replayed before, as {delivered}. Rows of it that were rejected again"
                " belong to a load of their own: replay that one."
            )

    row_numbers = _tell_rejects(settings, load_id, what, say)
    try:
        data = store.cat_file(f"{folder}/{file}")
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FieldscoreError(
            f"{what}: the file is not there any more as it was landed. Put the original back, or"
            " deliver the corrected rows as a file of any other name with the same date."
        )
    ending, rows = readers.excerpt(data, f"{business_date}/{file}", declaration, row_numbers)
    draft = f"{folder}/replay-of-load-{load_id}{ending}.part"
    store.pipe_file(draft, rows)
    say(
        f"{len(row_numbers)} rejected rows of {what} are in\n  {draft}\n"
        "Correct them there, or what the declaration says of them, and give the same command again."
        " No night reads the file before."
    )
    return None


def _tell_rejects(
    settings: Settings, load_id: int, what: str, say: Callable[[str], None]
) -> set[int]:
    """Say which rows of a load were rejected and why; their numbers."""
    with warehouse.connect(settings) as connection:
        if connection.execute("select to_regclass('ops.rejects')").fetchone() == (None,):
            raise FieldscoreError("No night has got as far as judging rows: run one first.")
        rejects = connection.execute(
            "select row_number, column_name, reason from ops.rejects where load_id = %s"
            " order by row_number, column_name",
            [load_id],
        ).fetchall()
    if not rejects:
        raise FieldscoreError(f"Nothing of {what} is rejected; ops.rejects names the loads.")
    for number, column, reason in rejects[:SHOWN]:
        say(f"row {number}: {f'{column}: ' if column else ''}{reason}")
    if len(rejects) > SHOWN:
        say(f"and {len(rejects) - SHOWN} more: see ops.rejects")
    return {number for number, *_ in rejects}
