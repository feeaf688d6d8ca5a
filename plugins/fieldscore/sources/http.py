"""Paged JSON over HTTP, as an Airflow connection says where and with which credentials.

Neither an address nor an answer appears in a message: either may hold what nobody should read.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import requests
import tenacity
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowNotFoundException

from fieldscore import business_dates, readers
from fieldscore.declaration import Declaration
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import Settings
from fieldscore.sources import Delivery, missing_connection

log = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_PAUSE = 1.0  # seconds; doubled at each further attempt
LONGEST_PAUSE = 120.0  # seconds; a server that asks for more is left to a later try of the task
TIMEOUT = (10, 120)  # seconds to connect, and without a byte of the answer
MOST_PAGES = 100_000

PASSING = {408, 425, 429, 500, 502, 503, 504}
REFUSED = {
    401: "the credentials of the connection are not accepted",
    403: "the credentials of the connection do not suffice",
    404: "there is no such path",
}


class _Busy(PassingFault):
    """A fault that may pass; the server may have said after how many seconds."""

    def __init__(self, message: str, seconds: float | None = None):
        super().__init__(message)
        self.seconds = seconds


def delivery(
    settings: Settings, declaration: Declaration, business_date: date, cursor: str | None
) -> Delivery:
    """Every record since the cursor, that moment included, as the lines of a jsonl file.

    Overlapping pages and nights bring records twice; that does no harm.
    """
    field = declaration.http.cursor_field
    lines, values = bytearray(), []
    for record in _records(declaration, cursor):
        lines += readers.json_text(record).encode("utf-8", "backslashreplace") + b"\n"
        if len(lines) > readers.LARGEST_FILE:
            raise FieldscoreError(
                f"{declaration.feed}: more than {readers.LARGEST_FILE:,} bytes of records; bring"
                " the first delivery as files, and declare a cursor for what changes after it."
            )
        if field and isinstance(record, dict) and record.get(field):
            values.append(str(record[field]))
    if field and lines and not values:
        raise FieldscoreError(f"{declaration.feed}: http.cursor_field: no record has {field!r}.")
    zone = ZoneInfo(declaration.time_zone or settings.time_zone)
    end = business_dates.end_of(business_date, settings.zone).replace(tzinfo=UTC)
    moved = _latest(declaration, cursor, values, zone, end)
    # Named by where it starts: of two deliveries on one date the later one sorts later.
    name = f"since_{cursor or ''}.jsonl"
    return Delivery(declaration.feed, business_date, name, bytes(lines), cursor=moved)


def _latest(
    declaration: Declaration, cursor: str | None, values: list[str], zone: ZoneInfo, end: datetime
) -> str | None:
    """The cursor after these values: the last of them and itself, as it was written.

    Not beyond the end of the business date: one record dated ahead would hide all that are to come.
    """
    positions = {
        value: _position(value, zone) for value in [*values, *([cursor] if cursor else [])]
    }
    kinds = {type(position) for position in positions.values()}
    if None in positions.values() or len(kinds) > 1:
        raise FieldscoreError(
            f"{declaration.feed}: http.cursor_field: {declaration.http.cursor_field} must always be"
            " an ISO 8601 time, or always a number."
        )
    if kinds == {datetime}:
        positions = {v: moment for v, moment in positions.items() if v == cursor or moment < end}
    return max(positions, key=positions.__getitem__, default=None)


def _position(value: str, zone: ZoneInfo) -> datetime | Decimal | None:
    """A cursor's value as what can be compared; None for what is neither a number nor a time."""
    try:
        number = Decimal(value)
        return number if number.is_finite() else None
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _records(declaration: Declaration, cursor: str | None) -> Iterator[Any]:
    """The records of every page, in the server's order."""
    http = declaration.http
    session, base = _session(declaration)
    url = base.rstrip("/") + http.path
    parameters = dict(http.parameters)
    if http.page_size:
        parameters[http.page_size_parameter] = str(http.page_size)
    if http.cursor_parameter and cursor:
        parameters[http.cursor_parameter] = cursor
    seen = set()
    for page in range(http.first_page, http.first_page + MOST_PAGES):
        if http.page_parameter:
            parameters[http.page_parameter] = str(page)
        answer = _answer(session, url, parameters, declaration)
        records = answer if http.records is None else _inside(answer, http.records)
        if not isinstance(records, list):
            raise FieldscoreError(
                f"{declaration.feed}: http.records: page {page} holds no list of records"
                f" {'itself' if http.records is None else f'in {http.records!r}'};"
                f" it is {_shape(answer)}."
            )
        yield from records
        following = _inside(answer, http.next) if http.next else None
        if http.next:
            turn = str(following)
        elif http.page_parameter and records:
            turn = hashlib.sha256(readers.json_text(records).encode(errors="replace")).hexdigest()
        else:
            return
        if http.next and not following:
            return
        if turn in seen:
            raise FieldscoreError(
                f"{declaration.feed}: http: page {page} came before; the server does not turn the"
                " pages as declared. Check page_parameter, or next and next_parameter."
            )
        seen.add(turn)
        if http.next_parameter:
            parameters[http.next_parameter] = turn
        elif http.next:
            url, parameters = _same_server(urljoin(url, turn), base, declaration), {}
    raise FieldscoreError(f"{declaration.feed}: http: more than {MOST_PAGES:,} pages.")


def _session(declaration: Declaration) -> tuple[requests.Session, str]:
    """A session with the connection's credentials, and the address all paths start from."""
    hook = HttpHook(method="GET", http_conn_id=declaration.http.connection_id)
    try:
        session = hook.get_conn(headers={"Accept": "application/json"})
    except AirflowNotFoundException:
        raise FieldscoreError(missing_connection(declaration.feed, hook.http_conn_id)) from None
    session.stream = False  # so that a connection cut in mid-answer is seen where it is handled
    return session, hook.base_url


def _answer(
    session: requests.Session, url: str, parameters: dict[str, str], declaration: Declaration
) -> Any:
    """One page, asked for again after faults that may pass. Raises PassingFault when none did."""
    where = f"{declaration.feed}: {declaration.http.connection_id}{declaration.http.path}"
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda fault: isinstance(fault, _Busy) and (fault.seconds or 0) <= LONGEST_PAUSE
        ),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_pause,
        before_sleep=lambda state: log.warning("%s; trying again", state.outcome.exception()),
        reraise=True,
    )
    return attempts(_ask, session, url, parameters, where)


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds to wait: what the server asked for, else longer from attempt to attempt."""
    asked = state.outcome.exception().seconds
    growing = tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE)
    apart = tenacity.wait_random(0, FIRST_PAUSE)
    return (growing + apart)(state) if asked is None else asked


def _ask(session: requests.Session, url: str, parameters: dict[str, str], where: str) -> Any:
    # Nothing is chained below: the library's own messages quote the address and its parameters.
    try:
        answer = session.get(url, params=parameters, timeout=TIMEOUT, allow_redirects=False)
    except requests.exceptions.SSLError:
        raise FieldscoreError(f"{where}: the server's certificate is not trusted.") from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as fault:
        raise _Busy(f"{where}: no answer ({type(fault).__name__})") from None
    except requests.RequestException as wrong:
        raise FieldscoreError(
            f"{where}: cannot be asked for ({type(wrong).__name__}); check host and extra of the"
            " connection."
        ) from None
    code = answer.status_code
    if code in PASSING:
        raise _Busy(f"{where}: HTTP {code}", _retry_after(answer.headers.get("Retry-After")))
    if code != 200:
        reason = REFUSED.get(code, "the connection and the path must lead to the records")
        raise FieldscoreError(f"{where}: HTTP {code}: {reason}.")
    try:
        return readers.parsed_json(answer.content.decode())
    except ValueError:
        raise FieldscoreError(f"{where}: the answer is not JSON.") from None


def _retry_after(header: str | None) -> float | None:
    """Seconds a Retry-After header asks for, given as seconds or as a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _same_server(url: str, base: str, declaration: Declaration) -> str:
    """The address of the next page. The credentials go to no other server."""
    if urlsplit(url)[:2] != urlsplit(base)[:2]:
        raise FieldscoreError(
            f"{declaration.feed}: http.next: the next page is on another server than the connection"
            f" {declaration.http.connection_id}; credentials are not sent there."
        )
    return url


def _inside(answer: Any, key: str) -> Any:
    """The value of a dotted key; None where there is none."""
    for part in key.split("."):
        answer = answer.get(part) if isinstance(answer, dict) else None
    return answer


def _shape(answer: Any) -> str:
    """What an answer is, without its values."""
    if isinstance(answer, dict):
        return f"an object with {', '.join(map(repr, list(answer)[:20])) or 'nothing in it'}"
    return "a list" if isinstance(answer, list) else "neither an object nor a list"
