"""What an Airflow task needs around a step of the night: settings, and errors told the right way.

Cheap to import: a DAG file does so at every parse.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fieldscore.errors import FieldscoreError
from fieldscore.settings import DEFAULT_TIME_ZONE, Settings


def step(name: str, **arguments: Any) -> Any:
    """Run one step of fieldscore.night and return what it returns.

    An error that a person must put right fails the task at once and is kept with the run; anything
    else may be a passing fault, and Airflow tries again.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from fieldscore import beside, night

    try:
        return beside.call(name, Settings.from_environment(), **arguments)
    except FieldscoreError as wrong:
        if run_id := arguments.get("run_id"):
            night.note_failure(Settings.from_environment(), run_id, str(wrong))
        raise AirflowFailException(str(wrong)) from None
    except Exception as fault:
        # Gone at the next try, perhaps; who watches the night sees why there is one.
        print(f"{name}: {type(fault).__name__}: {fault}")
        raise


def pick_business_date(given: str | None, scheduled: datetime) -> str:
    """The date given, else the last business date that had ended at the scheduled moment."""
    from airflow.sdk.exceptions import AirflowFailException

    from fieldscore.business_dates import last_ended, parse

    try:
        if given:
            return parse(given, "business_date").isoformat()
        return last_ended(scheduled, Settings.from_environment().zone).isoformat()
    except FieldscoreError as wrong:
        raise AirflowFailException(str(wrong)) from None


def to_date(text: str) -> date:
    """A business date as it travels between tasks."""
    return date.fromisoformat(text)


def schedule_zone() -> str:
    """The project's zone; the default where the setting is wrong, so that the DAG always parses.

    The night itself then fails, naming the setting.
    """
    name = os.environ.get("FIELDSCORE_TIME_ZONE") or DEFAULT_TIME_ZONE
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        return DEFAULT_TIME_ZONE
