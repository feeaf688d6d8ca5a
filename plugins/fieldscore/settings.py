"""Every setting, read once from the environment, and the secrets of a home."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from fieldscore.errors import FieldscoreError

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_TIME_ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class Settings:
    """Where a home keeps its state and where its input comes from.

    home: folder of all state; landing: folder or object-store URL of deliveries; feeds: folder of
    declarations; time_zone: IANA zone of the company's business dates; database_url: an external
    PostgreSQL 15-18, or None for the embedded one.
    """

    home: Path
    landing: str
    feeds: Path
    time_zone: str
    database_url: str | None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read FIELDSCORE_* (see README). Raises FieldscoreError for an unknown time zone."""
        home = Path(os.environ.get("FIELDSCORE_HOME") or PROJECT / ".fieldscore").absolute()
        settings = cls(
            home=home,
            landing=os.environ.get("FIELDSCORE_LANDING") or str(home / "landing"),
            feeds=cls.feeds_folder(),
            time_zone=os.environ.get("FIELDSCORE_TIME_ZONE") or DEFAULT_TIME_ZONE,
            database_url=os.environ.get("FIELDSCORE_DATABASE_URL") or None,
        )
        try:
            ZoneInfo(settings.time_zone)
        except (KeyError, ValueError, OSError) as unknown:
            raise FieldscoreError(
                f"FIELDSCORE_TIME_ZONE: {settings.time_zone!r} is not an IANA time zone;"
                " use a name such as Asia/Shanghai."
            ) from unknown
        return settings

    @staticmethod
    def feeds_folder() -> Path:
        """The folder of declarations; a DAG file needs it even where other settings are wrong."""
        return Path(os.environ.get("FIELDSCORE_FEEDS") or PROJECT / "dags" / "feeds").absolute()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def secret(self, name: str) -> str:
        """The secret of this name, made at first use: 64 hex digits, a file only its owner reads.

        FIELDSCORE_<NAME> overrides it (containers get theirs from ``.env``).
        """
        given = os.environ.get(f"FIELDSCORE_{name.upper()}")
        if given:
            return given
        folder = self.home / "secrets"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / name
        try:
            # Written beside and linked into place: nobody reads half a secret, the first one wins.
            draft = folder / f".{name}.{secrets.token_hex(8)}"
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(32))
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
        return path.read_text()

    def discard_secret(self, name: str) -> None:
        """Forget a secret of the home; the next time it is asked for another one is made."""
        (self.home / "secrets" / name).unlink(missing_ok=True)
