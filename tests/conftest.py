"""One real PostgreSQL for all tests; every test that wants a warehouse gets one of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

# Not pytest's tmp_path: that is closed to other accounts, and PostgreSQL does not run as root.
SCRATCH = Path(tempfile.mkdtemp(prefix="fieldscore-tests-"))
SCRATCH.chmod(0o755)

# Whole nights need companies and a site; their fixtures have a module of their own.
pytest_plugins = ["nights"]

PROGRAMS_15 = Path("/usr/lib/postgresql/15/bin")

# What the caller's shell says of a real home must not reach the tests; which PostgreSQL, may.
for name in [name for name in os.environ if name.startswith(("FIELDSCORE_", "AIRFLOW_"))]:
    if name != "FIELDSCORE_PG_BIN":
        del os.environ[name]

from fieldscore import local_postgres  # noqa: E402
from fieldscore import warehouse as warehouse_  # noqa: E402
from fieldscore.settings import PROJECT, Settings  # noqa: E402

# Airflow reads these when it is imported.
os.environ["AIRFLOW_HOME"] = str(SCRATCH / "airflow")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The year of incidents first: it takes longest, and would else run alone at the end."""
    items.sort(key=lambda item: item.path.stem != "test_uci_incidents")


def pytest_unconfigure() -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)


@dataclass(frozen=True)
class Warehouse:
    """A migrated database of its own."""

    url: str

    def connect(self, **options: Any) -> psycopg.Connection:
        return warehouse_.connect(self.url, **options)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Settings]:
    """The settings of a home whose embedded server runs; nothing is in its own database."""
    yield from running("cluster")


@pytest.fixture(scope="session")
def cluster_15() -> Iterator[Settings]:
    """Like ``cluster``, by the machine's own PostgreSQL 15."""
    if not PROGRAMS_15.exists():
        pytest.skip(f"no PostgreSQL in {PROGRAMS_15}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDSCORE_PG_BIN", str(PROGRAMS_15))
        server = running("cluster_15")
        settings = next(server)
    yield settings
    yield from server


def running(name: str) -> Iterator[Settings]:
    """The settings of a home while its embedded server runs."""
    settings = Settings(
        home=SCRATCH / name,
        landing="",
        feeds=PROJECT / "dags" / "feeds",
        time_zone="Asia/Shanghai",
        database_url=None,
    )
    # Nothing here is worth surviving a crash.
    local_postgres.start(settings, fsync="off", synchronous_commit="off", full_page_writes="off")
    yield settings
    local_postgres.stop(settings)


@pytest.fixture(scope="session")
def template(cluster: Settings) -> str:
    """The URL of a migrated database to which nobody is connected."""
    url = database(cluster, "template_warehouse")
    with warehouse_.connect(url) as connection:
        warehouse_.migrate(connection, cluster)
    return url


@pytest.fixture
def warehouse(cluster: Settings, template: str) -> Iterator[Warehouse]:
    """A fresh, migrated warehouse, dropped after the test."""
    name = f"test_{os.urandom(6).hex()}"
    yield Warehouse(database(cluster, name, template="template_warehouse"))
    with psycopg.connect(template, dbname="postgres", autocommit=True) as server:
        server.execute(f"drop database {name} with (force)")


def database(cluster: Settings, name: str, template: str = "template1") -> str:
    """Create a database on the tests' server; its URL."""
    url = local_postgres.start(cluster)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        # Copying files takes a tenth of the time of the default here.
        server.execute(f"create database {name} strategy file_copy template {template}")
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture
def settings(cluster: Settings, warehouse: Warehouse, tmp_path: Path) -> Settings:
    """The settings of a fresh home, with ``warehouse`` as its database."""
    # The reading role is one for the whole server, and so is its password.
    shutil.copytree(cluster.home / "secrets", tmp_path / "home" / "secrets")
    return Settings(
        home=tmp_path / "home",
        landing=str(tmp_path / "landing"),
        feeds=PROJECT / "dags" / "feeds",
        time_zone="Asia/Shanghai",
        database_url=warehouse.url,
    )
