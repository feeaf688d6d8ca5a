"""The environment Airflow runs in: living (`make up`) or in process for one command."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
from pathlib import Path

from fieldscore.settings import PROJECT, Settings

ADMIN = "admin"
LOOPBACK = "127.0.0.1"


def hostname() -> str:
    """How Airflow's processes of a home name their machine: without asking a name server."""
    return LOOPBACK


def passwords_file(home: Path) -> Path:
    """Where the simple auth manager of this Airflow home reads its passwords."""
    return home / "passwords.json"


def airflow_environment(
    settings: Settings,
    home: Path,
    database_url: str,
    *,
    dags: Path = PROJECT / "dags",
    api_port: int | None = None,
) -> dict[str, str]:
    """Variables to lay over the environment before Airflow is imported or started.

    home: AIRFLOW_HOME, inside the settings' home; database_url: Airflow's own metadata database;
    dags: folder of DAG files; api_port: the port of a living Airflow's API server on loopback, None
    in process. The variables hold secrets: never print them.
    """
    logs = settings.home / "logs"
    airflow = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "CORE__LOAD_EXAMPLES": "false",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "true",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "8",  # a night's widest step is one task per feed
        "CORE__HOSTNAME_CALLABLE": f"{__name__}.{hostname.__name__}",
        "CORE__FERNET_KEY": _fernet_key(settings.secret("airflow_fernet_key")),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(home)),
        "DATABASE__SQL_ALCHEMY_CONN": re.sub(
            "^postgres(ql)?:", "postgresql+psycopg2:", database_url
        ),
        "API__SECRET_KEY": settings.secret("airflow_api_secret"),
        "API_AUTH__JWT_SECRET": settings.secret("airflow_jwt_secret"),
        "LOGGING__BASE_LOG_FOLDER": str(logs / "tasks"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(logs / "dag_files"),
        # Logs are read from the folder above and no log server runs (it would listen on every
        # address). Nothing answers at port 1, so a running task's log never comes from another
        # Airflow's log server on this machine, and that nobody answers is no news.
        "LOGGING__WORKER_LOG_SERVER_PORT": "1",
        "LOGGING__TRIGGER_LOG_SERVER_PORT": "1",
        "LOGGING__NAMESPACE_LEVELS": (
            "airflow.utils.log.file_task_handler=CRITICAL http.access=WARNING"
        ),
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",
    }
    if api_port is not None:
        url = f"http://{LOOPBACK}:{api_port}"
        airflow |= {
            "API__HOST": LOOPBACK,
            "API__PORT": str(api_port),
            "API__BASE_URL": url,
            "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        }
    return {
        "AIRFLOW_HOME": str(home),
        # No file: Airflow would write one at first use, with today's defaults and these secrets.
        "AIRFLOW_CONFIG": os.devnull,
        **{f"AIRFLOW__{key}": value for key, value in airflow.items()},
        "FIELDSCORE_HOME": str(settings.home),
        "FIELDSCORE_LANDING": settings.landing,
        "FIELDSCORE_FEEDS": str(settings.feeds),
        "FIELDSCORE_TIME_ZONE": settings.time_zone,
        "FIELDSCORE_DATABASE_URL": settings.database_url or "",
        "PYTHONPATH": str(PROJECT / "plugins"),
        "PYTHONWARNINGS": "ignore",  # the libraries' own deprecations, thousands of lines a night
        "PYTHONDONTWRITEBYTECODE": "",  # without bytecode Great Expectations imports twice as long
        "PYTHONUNBUFFERED": "1",  # a part's log in the order it was said
        **_loopback_without_proxy(),
    }


def _fernet_key(secret: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode()


def _loopback_without_proxy() -> dict[str, str]:
    """Tasks reach their API server directly; on macOS this also keeps a forked child from asking
    the system for its proxies, which crashes it."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    exempt = ",".join(filter(None, [given, LOOPBACK, "localhost"]))
    fork = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"} if sys.platform == "darwin" else {}
    return {"NO_PROXY": exempt, "no_proxy": exempt, **fork}
