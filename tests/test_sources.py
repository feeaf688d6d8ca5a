"""Deliveries are found and fetched whole, or a message says what a person must do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fieldscore import landing, readers, sources
from fieldscore.declaration import Declaration, Http, Sql
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import Settings
from fieldscore.sources import files, http
from psycopg.conninfo import conninfo_to_dict

DAY = date(2026, 3, 9)
AREAS = Declaration(feed="areas")
ROW = "area_id,name,time_zone,calendar_id\nA1,North,Asia/Shanghai,std\n"


# --- files ---------------------------------------------------------------------------------------


def put(settings: Settings, name: str, text: str = ROW, feed: str = "areas") -> Path:
    path = Path(settings.landing, feed, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(settings: Settings, known: dict[Any, str] | None = None, **declared: Any) -> list[str]:
    declaration = AREAS.model_copy(update=declared)
    fetched = files.deliveries(settings, declaration, DAY, known or {})
    return [f"{delivery.business_date}/{delivery.name}" for delivery in fetched]


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """Settings with a landing, and no warehouse."""
    return Settings(
        tmp_path / "home", str(tmp_path / "中文 # %20"), tmp_path, "Asia/Shanghai", None
    )


def test_files_up_to_the_date_come_by_date_and_name(local) -> None:
    for name in ("2026-03-09/b.csv", "2026-03-09/a.csv", "2026-03-10/c.csv", "2025-12-31/z.csv"):
        put(local, name)
    put(local, "2026-03-09/export/part-0.csv")
    expected = ["2025-12-31/z.csv", "2026-03-09/a.csv", "2026-03-09/b.csv"]
    assert found(local) == [*expected, "2026-03-09/export/part-0.csv"]
    assert found(local, path="?.csv") == expected


def test_a_file_brings_its_bytes_and_its_mark(local) -> None:
    path = put(local, "2026-03-09/a.csv")
    [delivery] = files.deliveries(local, AREAS, DAY, {})
    assert (delivery.feed, delivery.name, delivery.data) == ("areas", "a.csv", ROW.encode())
    known = {(DAY, "a.csv"): delivery.mark}
    assert found(local, known) == []
    path.write_text(ROW + "A2,South,Asia/Shanghai,std\n")
    assert found(local, known) == ["2026-03-09/a.csv"]
    path.write_text(ROW)
    os.utime(path, ns=(0, 10**18))
    assert found(local, known) == ["2026-03-09/a.csv"]


def test_unfinished_and_hidden_names_are_passed_over(local) -> None:
    for name in (".a.csv", "a.csv.tmp", "a.csv.part", "_SUCCESS", "_temporary/0/a.csv", "a.csv~"):
        put(local, f"2026-03-09/{name}")
    put(local, ".staging/a.csv")
    put(local, "2026-03-09/a.csv")
    assert found(local) == ["2026-03-09/a.csv"]


def test_no_folder_is_no_delivery(local) -> None:
    assert found(local) == []


@pytest.mark.parametrize("name", ["9-3-2026/a.csv", "2026-02-30/a.csv", "20260309/a.csv", "a.csv"])
def test_a_file_in_no_date_folder_is_named(local, name) -> None:
    put(local, "2026-03-09/a.csv")
    put(local, name)
    with pytest.raises(FieldscoreError, match=f"areas/?: '{name}' is not in a folder named by a"):
        found(local)


@pytest.mark.parametrize("place", ["2026-03-09/a.csv", "2026-03-09", "2026-03-09/sub"])
def test_a_link_out_of_the_landing_is_refused(local, tmp_path, place) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("root:x")
    link = put(local, "2026-03-08/a.csv").parents[1] / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret if place.endswith(".csv") else tmp_path)
    with pytest.raises(FieldscoreError, match=f"'{place}' is no ordinary file"):
        found(local)


def test_what_is_no_file_at_all_is_refused_and_not_waited_for(local) -> None:
    pipe = put(local, "2026-03-09/a.csv").with_name("pipe.csv")
    os.mkfifo(pipe)
    with pytest.raises(FieldscoreError, match=r"pipe.csv' is no ordinary file"):
        found(local)


@pytest.mark.parametrize("change", ["grows", "is replaced", "goes away"])
def test_a_file_that_changes_while_it_is_read_may_be_whole_in_a_minute(local, change) -> None:
    path = put(local, "2026-03-09/a.csv")
    put(local, "2026-03-09/b.csv")
    store, [first, _] = files._files(local, AREAS)

    class Meanwhile:
        """The store, while somebody else is writing."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def cat_file(self, name: str) -> bytes:
            if change == "goes away":
                path.unlink()
            data = store.cat_file(name)
            path.write_text(data.decode() + "A2" if change == "grows" else data.decode().upper())
            return data

    with pytest.raises(
        PassingFault, match=r"areas: 2026-03-09/a.csv: the file (changed|went away)"
    ):
        files._read(Meanwhile(), first, "areas")


def test_a_file_too_large_to_hold_is_not_read(local, monkeypatch) -> None:
    monkeypatch.setattr(readers, "LARGEST_FILE", 10)
    put(local, "2026-03-09/a.csv")
    with pytest.raises(FieldscoreError, match=r"2026-03-09/a.csv: more than 10 bytes"):
        found(local)


def test_a_landing_can_be_an_object_store(local) -> None:
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach(protocol="memory", fs=MemoryFileSystem())
    remote = Settings(local.home, "memory://bucket/landing/", local.feeds, "Asia/Shanghai", None)
    store = MemoryFileSystem()
    store.pipe("/bucket/landing/areas/2026-03-09/a.csv", ROW.encode())
    store.pipe("/bucket/landing/areas/2026-03-10/a.csv", ROW.encode())
    [delivery] = files.deliveries(remote, AREAS, DAY, {})
    assert (delivery.name, delivery.data) == ("a.csv", ROW.encode())
    assert list(files.deliveries(remote, AREAS, DAY, {(DAY, "a.csv"): delivery.mark})) == []


def test_a_landing_no_file_system_reads_is_named(local) -> None:
    unknown = Settings(local.home, "s3://bucket/x", local.feeds, "Asia/Shanghai", None)
    with pytest.raises(FieldscoreError, match=r"FIELDSCORE_LANDING: s3://bucket/x: .*provider"):
        found(unknown)


def test_a_required_feed_is_waited_for_as_long_as_declared(local, monkeypatch) -> None:
    monkeypatch.setattr(sources, "POLL_SECONDS", 0.05)
    required = Declaration(feed="areas", required=True, wait_minutes=0.2)
    put(local, "2026-03-08/a.csv")
    put(local, "2026-03-09/a.csv.part")
    said: list[str] = []
    threading.Timer(0.3, put, [local, "2026-03-09/a.csv"]).start()
    started = time.monotonic()
    sources.await_delivery(local, required, DAY, say=said.append)
    assert 0.2 < time.monotonic() - started < 10
    assert said == ["areas: waiting up to 0.2 min for its file"]
    said.clear()
    sources.await_delivery(local, required, DAY, say=said.append)
    assert said == []


def test_a_required_feed_that_never_comes_stops_with_what_to_do(local, monkeypatch) -> None:
    monkeypatch.setattr(sources, "POLL_SECONDS", 0.05)
    required = Declaration(feed="areas", required=True, wait_minutes=0.005, path="*.csv")
    put(local, "2026-03-09/a.xlsx")
    with pytest.raises(FieldscoreError) as stopped:
        sources.await_delivery(local, required, DAY, say=lambda _: None)
    told = str(stopped.value)
    assert "areas: no delivery for 2026-03-09: no file that matches '*.csv' in " in told
    assert f"{local.landing}/areas/2026-03-09. Bring it and run the night again" in told
    sources.await_delivery(local, required.model_copy(update={"required": False}), DAY)
    sources.await_delivery(local, required.model_copy(update={"connector": "http"}), DAY)


# --- http ----------------------------------------------------------------------------------------

Reply = tuple[int, dict[str, str], Any]


class Server:
    """A real HTTP server that answers as a test says and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, str]], Reply] = lambda path, query: (404, {}, None)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                server.asked.append((parts.path, query, dict(self.headers)))
                status, headers, body = server.answer(parts.path, query)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", headers.get("Content-Length", str(len(data))))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def queries(self) -> list[dict[str, str]]:
        return [query for _, query, _ in self.asked]


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    server = Server()
    crm = {
        "conn_type": "http",
        "host": "http://127.0.0.1",
        "port": server.port,
        "login": "nightly",
        "password": "open-sesame",
        "extra": {"X-Api-Key": "key-of-gold", "trust_env": False},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(crm))
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.01)
    yield server
    server.server.shutdown()
    server.server.server_close()


def area(number: int, updated_at: str | None = None) -> dict[str, Any]:
    record = {"area_id": number, "name": "N", "time_zone": "UTC", "calendar_id": "c"}
    return record | ({"updated_at": updated_at} if updated_at else {})


def asking(**how: Any) -> Declaration:
    how = {"connection_id": "crm", "path": "/api/areas", **how}
    return Declaration(feed="areas", connector="http", http=Http(**how))


def fetched(declaration: Declaration, settings: Settings, cursor: str | None = None) -> list[dict]:
    delivery = http.delivery(settings, declaration, DAY, cursor)
    return [json.loads(line) for line in delivery.data.splitlines()]


def test_pages_are_turned_until_one_is_empty(server, local) -> None:
    pages = {"1": [area(1), area(2)], "2": [area(3)]}
    server.answer = lambda path, query: (200, {}, {"data": {"items": pages.get(query["page"], [])}})
    declaration = asking(
        records="data.items",
        page_parameter="page",
        page_size_parameter="size",
        page_size=2,
        parameters={"expand": "all"},
    )
    assert fetched(declaration, local) == [area(1), area(2), area(3)]
    assert [query["page"] for query in server.queries] == ["1", "2", "3"]
    path, query, headers = server.asked[0]
    assert path == "/api/areas"
    assert (query["size"], query["expand"]) == ("2", "all")
    assert headers["Authorization"].startswith("Basic ")
    assert headers["X-Api-Key"] == "key-of-gold"


def test_pages_are_turned_by_the_address_or_the_token_the_server_gives(server, local) -> None:
    following = {None: "?at=b", "b": f"http://127.0.0.1:{server.port}/api/areas?at=c", "c": None}
    numbers = {None: 1, "b": 2, "c": 3}
    server.answer = lambda path, query: (
        200,
        {},
        {"rows": [area(numbers[query.get("at")])], "next": following[query.get("at")]},
    )
    assert fetched(asking(records="rows", next="next"), local) == [area(1), area(2), area(3)]

    tokens = {None: "b", "b": "c", "c": ""}
    server.answer = lambda path, query: (
        200,
        {},
        {"rows": [area(numbers[query.get("at")])], "more": {"token": tokens[query.get("at")]}},
    )
    declaration = asking(records="rows", next="more.token", next_parameter="at")
    assert fetched(declaration, local) == [area(1), area(2), area(3)]


def test_a_single_answer_is_a_delivery_with_numbers_as_they_were_written(server, local) -> None:
    server.answer = lambda path, query: (200, {}, b'[{"area_id": 1.50, "name": "\xc3\xa9"}]')
    delivery = http.delivery(local, asking(), DAY, None)
    assert delivery.data == '{"area_id": 1.50, "name": "é"}\n'.encode()
    assert (delivery.name, delivery.cursor) == ("since_.jsonl", None)


def test_credentials_are_not_carried_to_another_server(server, local) -> None:
    server.answer = lambda path, query: (
        200,
        {},
        {"rows": [area(1)], "next": f"http://localhost:{server.port}/api/areas?at=b"},
    )
    with pytest.raises(FieldscoreError, match="the next page is on another server"):
        fetched(asking(records="rows", next="next"), local)
    elsewhere = {"Location": f"http://localhost:{server.port}/"}
    server.answer = lambda path, query: (302, elsewhere, None)
    with pytest.raises(FieldscoreError, match="HTTP 302"):
        fetched(asking(), local)
    assert len(server.asked) == 2


def test_a_server_that_does_not_turn_its_pages_is_found_out(server, local) -> None:
    server.answer = lambda path, query: (200, {}, [area(1)])
    with pytest.raises(FieldscoreError, match="page 2 came before"):
        fetched(asking(page_parameter="page"), local)
    server.answer = lambda path, query: (200, {}, {"rows": [area(1)], "next": "?at=b"})
    with pytest.raises(FieldscoreError, match="page 2 came before"):
        fetched(asking(records="rows", next="next"), local)


def test_pages_are_not_turned_for_ever(server, local, monkeypatch) -> None:
    monkeypatch.setattr(http, "MOST_PAGES", 5)
    server.answer = lambda path, query: (200, {}, [area(int(query["page"]))])
    with pytest.raises(FieldscoreError, match="more than 5 pages"):
        fetched(asking(page_parameter="page"), local)


@pytest.mark.parametrize("fault", [500, 503, 429, 408, "cut", "silent"])
def test_a_passing_fault_is_tried_again(server, local, fault) -> None:
    def answer(path: str, query: dict[str, str]) -> Reply:
        if len(server.asked) > 2:
            return 200, {}, [area(1)]
        if fault == "cut":
            return 200, {"Content-Length": "999", "Connection": "close"}, [area(1)]
        if fault == "silent":
            raise ConnectionAbortedError
        return fault, {}, None

    server.server.handle_error = lambda *_: None
    server.answer = answer
    assert fetched(asking(), local) == [area(1)]
    assert len(server.asked) == 3


def test_the_server_says_how_long_to_wait(server, local, monkeypatch) -> None:
    waits = [{"Retry-After": "1"}, {"Retry-After": "Mon, 09 Mar 2026 00:00:00 GMT"}, {}]
    server.answer = lambda path, query: (
        (429, waits[len(server.asked) - 1], None) if len(server.asked) < 3 else (200, {}, [area(1)])
    )
    started = time.monotonic()
    assert fetched(asking(), local) == [area(1)]
    assert 1 <= time.monotonic() - started < 5

    server.asked.clear()
    server.answer = lambda path, query: (429, {"Retry-After": "3600"}, None)
    with pytest.raises(PassingFault, match="HTTP 429"):
        fetched(asking(), local)
    assert len(server.asked) == 1


def test_a_fault_that_does_not_pass_is_left_to_a_later_try(server, local) -> None:
    server.answer = lambda path, query: (500, {}, b"secret of the server")
    with pytest.raises(PassingFault) as fault:
        fetched(asking(), local)
    assert str(fault.value) == "areas: crm/api/areas: HTTP 500"
    assert len(server.asked) == http.ATTEMPTS


def test_nobody_listening_is_a_passing_fault(server, local) -> None:
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(PassingFault, match="areas: crm/api/areas: no answer"):
        fetched(asking(), local)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((401, {}, b""), "HTTP 401: the credentials of the connection are not accepted"),
        ((403, {}, b""), "HTTP 403: the credentials"),
        ((404, {}, b""), "HTTP 404: there is no such path"),
        ((400, {}, b""), "HTTP 400"),
        ((200, {}, b"<html>"), "the answer is not JSON"),
        ((200, {}, b"\xff"), "the answer is not JSON"),
        ((200, {}, {"data": [], "key": 1}), "page 1 holds no list of records itself; it is an obj"),
    ],
)
def test_a_wrong_answer_stops_at_once_with_what_to_do(server, local, reply, told) -> None:
    server.answer = lambda path, query: reply
    with pytest.raises(FieldscoreError) as stopped:
        fetched(asking(), local)
    assert told in str(stopped.value)
    assert len(server.asked) == 1


def test_records_in_another_place_than_declared_are_asked_for(server, local) -> None:
    server.answer = lambda path, query: (200, {}, {"results": [area(1)]})
    with pytest.raises(FieldscoreError, match=r"no list of records in 'data.items'.*'results'"):
        fetched(asking(records="data.items"), local)


@pytest.mark.parametrize("code", [401, 500, 200])
def test_no_credential_is_ever_said(server, local, code, caplog) -> None:
    server.answer = lambda path, query: (code, {}, b"not json")
    with caplog.at_level("DEBUG"), pytest.raises((FieldscoreError, PassingFault)) as fault:
        fetched(asking(), local)
    trace: BaseException | None = fault.value
    told = caplog.text
    while trace:
        told += repr(trace)
        trace = None if trace.__suppress_context__ else trace.__cause__ or trace.__context__
    assert server.asked[0][2]["X-Api-Key"] == "key-of-gold"
    for secret in ("open-sesame", "key-of-gold", "nightly", server.asked[0][2]["Authorization"]):
        assert secret not in told


def test_a_connection_airflow_does_not_have_is_named(local) -> None:
    with pytest.raises(FieldscoreError, match=r"no connection 'nowhere'.*AIRFLOW_CONN_NOWHERE"):
        fetched(asking(connection_id="nowhere"), local)


CURSOR = {"cursor_parameter": "since", "cursor_field": "updated_at"}


@pytest.mark.parametrize(
    ("start", "values", "end"),
    [
        (None, ["2026-03-09T10:00:00Z", "2026-03-09T17:00:00+08:00"], "2026-03-09T10:00:00Z"),
        (None, ["2026-03-09 10:00:00", "2026-03-09T03:00:00Z"], "2026-03-09T03:00:00Z"),
        ("2026-03-09T11:00:00Z", ["2026-03-09T10:00:00Z"], "2026-03-09T11:00:00Z"),
        ("2026-03-12T11:00:00Z", ["2026-03-09T10:00:00Z"], "2026-03-12T11:00:00Z"),
        (None, ["2026-03-09T10:00:00Z", "2099-01-01T00:00:00Z"], "2026-03-09T10:00:00Z"),
        (None, ["2026-03-09T16:00:00Z"], None),
        ("2026-03-01", [], "2026-03-01"),
        ("99", ["100", "7"], "100"),
    ],
)
def test_the_cursor_is_the_latest_moment_up_to_the_end_of_the_date(
    server, local, start, values, end
) -> None:
    records = [area(number, value) for number, value in enumerate(values)]
    server.answer = lambda path, query: (200, {}, records)
    delivery = http.delivery(local, asking(**CURSOR), DAY, start)
    assert delivery.cursor == end
    assert server.queries == [{"since": start} if start else {}]
    assert delivery.name == f"since_{start or ''}.jsonl"


@pytest.mark.parametrize("values", [["yesterday"], ["2026-03-09", "7"], ["NaN"]])
def test_a_cursor_field_that_has_no_order_is_refused(server, local, values) -> None:
    server.answer = lambda path, query: (200, {}, [area(1, value) for value in values])
    with pytest.raises(FieldscoreError, match="updated_at must always be an ISO 8601 time"):
        fetched(asking(**CURSOR), local)
    server.answer = lambda path, query: (200, {}, [area(1)])
    with pytest.raises(FieldscoreError, match="no record has 'updated_at'"):
        fetched(asking(**CURSOR), local)


def test_the_cursor_moves_only_with_the_landing(server, settings, warehouse) -> None:
    server.answer = lambda path, query: (200, {}, [area(1, "2026-03-09T10:00:00Z")])
    declaration = asking(**CURSOR)

    def cursors() -> list[str]:
        with warehouse.connect() as connection:
            return [row[0] for row in connection.execute("select cursor from ops.cursors")]

    def refuse(_: Any) -> None:
        raise FieldscoreError("not now")

    with pytest.raises(FieldscoreError, match="not now"):
        landing.land_feed(settings, warehouse.url, declaration, DAY, refuse, print)
    assert cursors() == []
    [load] = landing.land_feed(settings, warehouse.url, declaration, DAY)
    assert (load.rows, load.unchanged) == (1, 0)
    assert cursors() == ["2026-03-09T10:00:00Z"]

    later = [area(1, "2026-03-09T10:00:00Z"), area(2, "2026-03-09T11:00:00Z")]
    server.answer = lambda path, query: (200, {}, later)
    [load] = landing.land_feed(settings, warehouse.url, declaration, DAY)
    assert (load.rows, load.unchanged) == (2, 1)
    assert cursors() == ["2026-03-09T11:00:00Z"]
    assert [query.get("since") for query in server.queries] == [None, None, "2026-03-09T10:00:00Z"]


# --- sql -----------------------------------------------------------------------------------------


@pytest.fixture
def erp(warehouse, monkeypatch) -> Iterator[Any]:
    """A real database of theirs, known to Airflow as ``erp``."""
    place = conninfo_to_dict(warehouse.url)
    connection = {
        "conn_type": "postgres",
        "host": place["host"],
        "port": int(place["port"]),
        "login": place["user"],
        "password": place["password"],
        "schema": place["dbname"],
    }
    monkeypatch.setenv("AIRFLOW_CONN_ERP", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED", json.dumps(connection | {"port": 1}))
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": "http", "host": "x"}))
    with warehouse.connect() as theirs:
        theirs.execute("create schema theirs")
        theirs.execute("create table theirs.areas (area_id bigint, name text, changed date)")
        theirs.execute(
            "insert into theirs.areas values (1, 'North', '2026-03-08'), (2, null, '2026-03-09'),"
            " (3, E'So,\"u\\nth', '2026-03-09')"
        )
    return warehouse


def query(text: str, connection_id: str = "erp") -> Declaration:
    sql = Sql(connection_id=connection_id, query=text)
    return Declaration(feed="areas", connector="sql", sql=sql)


CHANGED = """
    select area_id, name, 'Asia/Shanghai' as time_zone, 'std' as calendar_id
    from theirs.areas where changed = :business_date order by area_id
"""


def test_a_query_brings_the_rows_of_the_business_date(erp, settings) -> None:
    [load] = landing.land_feed(settings, erp.url, query(CHANGED), DAY)
    assert load.rows == 2
    with erp.connect() as connection:
        rows = connection.execute("select area_id, name from raw.areas order by 1").fetchall()
        assert rows == [("2", None), ("3", 'So,"u\nth')]
        [[file]] = connection.execute("select file from ops.loads").fetchall()
        assert file == "query.csv"
    assert landing.land_feed(settings, erp.url, query(CHANGED), DAY) == []


def test_the_date_is_bound_and_never_text_of_the_query(erp) -> None:
    from fieldscore.sources import sql

    typed = "select pg_typeof(cast(:business_date as date)) as a, ':x' as b, '%s %%' as c"
    typed = typed.replace(":x", r"\:x")
    assert sql.delivery(query(typed), DAY).data == b"a,b,c\ndate,:x,%s %%\n"


def test_values_become_the_text_a_person_would_write(erp) -> None:
    from fieldscore.sources import sql

    values = {
        "12.50::numeric": "12.50",
        "1e20::numeric": "100000000000000000000",
        "0.1::float8": "0.1",
        "true": "true",
        "null::text": "",
        "timestamp '2026-03-09 10:00:01.5'": "2026-03-09 10:00:01.500000",
        "timestamptz '2026-03-09 10:00+08'": "2026-03-09 02:00:00+00:00",
        "date '2026-03-09'": "2026-03-09",
        """jsonb '{"a": [1, "é"]}'""": '"{""a"": [1, ""é""]}"',
        "array[1, 2]": '"[1, 2]"',
        r"'\x0aff'::bytea": "0aff",
    }
    columns = ", ".join(
        f"{value.replace(':', chr(92) + ':')} as c{place}" for place, value in enumerate(values)
    ).replace("\\:\\:", "::")
    data = sql.delivery(query(f"select {columns} where :business_date is not null"), DAY).data
    assert data.decode().splitlines()[1] == ",".join(values.values())


def test_many_rows_come_whole(erp, monkeypatch) -> None:
    from fieldscore.sources import sql

    monkeypatch.setattr(sql, "CHUNK", 7)
    many = "select n from generate_series(1, 100) as n where :business_date is not null"
    numbers = sql.delivery(query(many), DAY).data.decode().split()
    assert numbers == ["n", *map(str, range(1, 101))]


@pytest.mark.parametrize(
    ("declaration", "fault", "told"),
    [
        (query("select x where :business_date is null"), FieldscoreError, 'column "x" does not'),
        (query("select from", "nowhere"), FieldscoreError, "no connection 'nowhere'"),
        (query("select 1", "web"), FieldscoreError, "areas: web: is no connection to a database"),
        (query("select 1", "closed"), PassingFault, "areas: closed: "),
    ],
)
def test_a_query_that_fails_says_so_without_credentials(erp, declaration, fault, told) -> None:
    from fieldscore.sources import sql

    with pytest.raises(fault) as failed:
        sql.delivery(declaration, DAY)
    assert told in str(failed.value)
    assert failed.value.__cause__ is None
    password = conninfo_to_dict(erp.url)["password"]
    assert password not in str(failed.value)


def test_what_a_query_changes_is_not_kept(erp) -> None:
    from fieldscore.sources import sql

    sneaky = "with gone as (delete from theirs.areas returning 1) select count(*) as n from gone"
    with pytest.raises(FieldscoreError):
        sql.delivery(query(f"{sneaky} where :business_date is not null"), DAY)
    with erp.connect() as connection:
        assert connection.execute("select count(*) from theirs.areas").fetchone() == (3,)


def test_a_result_too_large_to_hold_is_refused(erp, monkeypatch) -> None:
    from fieldscore.sources import sql

    monkeypatch.setattr(readers, "LARGEST_FILE", 100)
    many = "select n from generate_series(1, 100) as n where :business_date is not null"
    with pytest.raises(FieldscoreError, match="more than 100 characters"):
        sql.delivery(query(many), DAY)
