"""``python -m fieldscore``: what a person gets for what he types."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from fieldscore import roles, warehouse
from fieldscore.settings import PROJECT, Settings
from psycopg.conninfo import conninfo_to_dict

Outcome = subprocess.CompletedProcess[str]


@pytest.fixture
def command(settings: Settings) -> Callable[..., Outcome]:
    """Run a command on a fresh home with a warehouse of its own."""
    environment = os.environ | {
        "FIELDSCORE_HOME": str(settings.home),
        "FIELDSCORE_DATABASE_URL": str(settings.database_url),
    }

    def run(*words: str, **more: str) -> Outcome:
        return subprocess.run(
            [sys.executable, "-m", "fieldscore", *words],
            cwd=PROJECT,
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def refused(outcome: Outcome) -> str:
    """The one line that is said, on standard error."""
    assert (outcome.returncode, outcome.stdout) == (1, "")
    [line] = outcome.stderr.strip().splitlines()
    return line


def test_help_lists_every_command_with_a_sentence(command) -> None:
    outcome = command("--help", COLUMNS="200")
    assert outcome.returncode == 0
    said = dict(
        line.split(maxsplit=1)
        for line in outcome.stdout.splitlines()
        if line.startswith("    ") and line[4] != " " and len(line.split()) > 2
    )
    commands = (
        "run", "night", "backfill", "rebuild", "show", "sample", "migrate", "url", "up", "down",
        "check", "psql", "dbt", "access", "erase",
    )  # fmt: skip
    assert set(commands) <= set(said)
    assert all(sentence.endswith(".") for sentence in said.values()), said


def test_an_unknown_command_is_refused_with_those_there_are(command) -> None:
    outcome = command("nihgt", "2026-03-09")
    assert outcome.returncode == 2
    assert "nihgt" in outcome.stderr and "backfill" in outcome.stderr


def test_url_prints_the_reading_roles_url_alone(command, settings) -> None:
    outcome = command("url")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    [url] = outcome.stdout.splitlines()
    place, owners = conninfo_to_dict(url), conninfo_to_dict(settings.database_url)
    assert place["user"] == roles.READER != owners["user"]
    assert place["password"] != owners["password"]
    assert (place["host"], place["port"], place["dbname"]) == (
        owners["host"],
        owners["port"],
        owners["dbname"],
    )
    with warehouse.connect(url) as connection:
        [user] = connection.execute("select current_user").fetchone()
    assert user == roles.READER


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["night", ""], "DATE=: not a date; write it like 2026-03-09."),
        (["night", "yesterday"], "DATE=yesterday: not a date; write it like 2026-03-09."),
        (["night", "2026-02-29"], "DATE=2026-02-29: not a date; write it like 2026-03-09."),
        (["backfill", "2026-03-xx", "2026-03-09"], "FROM=2026-03-xx: not a date"),
        (["backfill", "2026-03-01", "09.03.2026"], "TO=09.03.2026: not a date"),
        (["backfill", "2026-03-09", "2026-03-01"], "FROM=2026-03-09 lies after TO=2026-03-01."),
        (["rebuild", "never"], "AS_OF=never: not a date; write it like 2026-03-09."),
    ],
)
def test_a_wrong_date_gives_one_clear_line(command, words: list[str], told: str) -> None:
    assert refused(command(*words)).startswith(told)


def test_a_wrong_setting_gives_one_clear_line_for_every_command(command) -> None:
    said = refused(command("show", FIELDSCORE_TIME_ZONE="Mars/Olympus"))
    assert said.startswith("FIELDSCORE_TIME_ZONE: 'Mars/Olympus' is not an IANA time zone")


def test_a_wrong_database_url_gives_one_clear_line_and_does_not_show_the_password(command) -> None:
    said = refused(command("url", FIELDSCORE_DATABASE_URL="postgresql//u:sesame@h/d"))
    assert "FIELDSCORE_DATABASE_URL is not a PostgreSQL URL" in said
    assert "sesame" not in said


def test_a_database_that_does_not_answer_gives_a_clear_message(command) -> None:
    outcome = command("url", FIELDSCORE_DATABASE_URL="postgresql://u:sesame@127.0.0.1:1/d")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "The warehouse does not answer" in outcome.stderr
    assert "Traceback" not in outcome.stderr and "sesame" not in outcome.stderr


def test_check_names_a_wrong_declaration(command, tmp_path) -> None:
    (tmp_path / "surveys.yml").write_text("requierd: true\n")
    said = refused(command("check", FIELDSCORE_FEEDS=str(tmp_path)))
    assert said.startswith("surveys.yml: requierd: unknown key")


def test_show_says_so_where_nothing_is_published_yet(command) -> None:
    outcome = command("show")
    assert (outcome.returncode, outcome.stdout.strip()) == (0, "Nothing is published yet.")


def test_the_sample_is_not_written_to_an_object_store(command) -> None:
    said = refused(command("sample", FIELDSCORE_LANDING="s3://bucket/landing"))
    assert "FIELDSCORE_LANDING is an object store" in said
