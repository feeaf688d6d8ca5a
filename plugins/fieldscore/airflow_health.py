"""Whether Airflow's parts are well, as its API server tells. Also the containers' health check."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any
from urllib.request import ProxyHandler, build_opener

# execution_api is what tasks talk to: its first answer takes seconds, longer than they wait.
PARTS = ("metadatabase", "execution_api", "scheduler", "dag_processor", "triggerer")


def ailing(api_url: str, since: datetime | None = None) -> set[str]:
    """The PARTS that are not well: all of them while the API server does not answer.

    since: a heartbeat before this moment is that of an earlier process and does not count.
    """
    try:
        told = _get(f"{api_url}/api/v2/monitor/health")
        told["execution_api"] = _get(f"{api_url}/execution/health")
    except OSError:
        return set(PARTS)
    return {part for part in PARTS if not _is_well(part, told[part], since)}


def _get(url: str) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(url, timeout=20) as answer:
        return json.load(answer)


def _is_well(part: str, told: dict[str, str | None], since: datetime | None) -> bool:
    if told["status"] != "healthy":
        return False
    beat = told.get(f"latest_{part}_heartbeat")
    return since is None or beat is None or datetime.fromisoformat(beat) >= since


if __name__ == "__main__":
    url, *asked = sys.argv[1:]
    if unwell := ailing(url) & set(asked or PARTS):
        sys.exit(f"not healthy: {', '.join(sorted(unwell))}")
