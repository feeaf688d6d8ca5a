"""``python -m fieldscore``: the commands behind the Makefile."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, timedelta

from fieldscore.beside import collect_rarely
from fieldscore.errors import FieldscoreError, PassingFault
from fieldscore.settings import Settings

NIGHTS_OF_A_FIRST_RUN = 3
# Enough for a believable month of every technician, little enough for three nights in minutes.
ORDERS_OF_A_FIRST_RUN = 1.5


def main() -> int:
    """Parse the command line and run one command; errors for people take one line, not a trace."""
    collect_rarely()
    parser = _parser()
    arguments, rest = parser.parse_known_args()
    if rest and not hasattr(arguments, "rest"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        arguments.command(Settings.from_environment(), arguments)
    except (FieldscoreError, PassingFault) as told:
        print(f"\n{told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again: nothing is lost.", file=sys.stderr)
        return 130
    return 0


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Score the sample company's last business dates and show the outcome."""
    from fieldscore import sample_company
    from fieldscore.night import is_published

    print(f"home {settings.home}")
    landing = settings.landing
    sample_company.generate(
        landing_path(settings),
        until=arguments.until,
        nights=NIGHTS_OF_A_FIRST_RUN,
        orders_per_technician_day=ORDERS_OF_A_FIRST_RUN,
    )
    print(f"sample company's deliveries: {landing}")
    migrate(settings, arguments)
    dates = [arguments.until - timedelta(days=n) for n in reversed(range(NIGHTS_OF_A_FIRST_RUN))]
    _run(settings, [d for d in dates if not is_published(settings, d)])
    _show(settings, None)
    print(
        "\nWhere to look next\n"
        f"  data docs   {settings.home / 'data_docs' / 'index.html'}\n"
        "  make psql   the marts, as BI reads them (\\dt shows them)\n"
        "  make url    a connection URL for your BI tool\n"
        "  make up     Airflow with its UI and the nightly schedule\n"
        "  make night DATE=…   one more night; README.md says which file to change for what"
    )


def night(settings: Settings, arguments: argparse.Namespace) -> None:
    """Run one night."""
    _run(settings, [_date(arguments.date, "DATE")])


def backfill(settings: Settings, arguments: argparse.Namespace) -> None:
    """Run every night from one business date to another, both included."""
    from fieldscore.business_dates import between

    _run(settings, between(_date(arguments.first, "FROM"), _date(arguments.last, "TO")))


def replay(settings: Settings, arguments: argparse.Namespace) -> None:
    """Write a load's rejected rows out to be corrected; the second time, deliver and land them."""
    from fieldscore import replay as replay_

    if business_date := replay_.replay(settings, arguments.load):
        _run(settings, [business_date])


def show(settings: Settings, arguments: argparse.Namespace) -> None:
    """Leaderboard and one explanation of what is published."""
    _show(settings, arguments.technician)


def sample(settings: Settings, arguments: argparse.Namespace) -> None:
    """Generate the sample company's deliveries, of any size."""
    from fieldscore import sample_company

    sample_company.generate(
        landing_path(settings),
        technicians=arguments.technicians,
        months=arguments.months,
        until=arguments.until,
        nights=arguments.nights,
        seed=arguments.seed,
        orders_per_technician_day=arguments.orders,
    )


def migrate(settings: Settings, arguments: argparse.Namespace) -> None:
    """Make or complete the warehouse's rooms and the marts."""
    from fieldscore import publish, transform, warehouse

    _make_rooms(settings)
    with warehouse.connect(settings) as connection:
        publish.prepare(connection, transform.manifest(settings))
    print("the warehouse is up to date")


def rebuild(settings: Settings, arguments: argparse.Namespace) -> None:
    """Compute everything anew as of a business date, even one before the last published."""
    from fieldscore import night as steps

    business_date = _date(arguments.as_of, "AS_OF")
    steps.rebuild(settings, business_date)
    _show(settings, None)


def url(settings: Settings, arguments: argparse.Namespace) -> None:
    """Print the connection URL of the reading role, or of a person's login, alone."""
    from fieldscore import access, warehouse

    _make_rooms(settings)
    if arguments.login:
        print(access.login_url(settings, arguments.login))
    else:
        print(warehouse.reader_url(settings))


def access(settings: Settings, arguments: argparse.Namespace) -> None:
    """Let a person's login see an area or a technician, take it away, or list who sees whom."""
    from fieldscore import access as logins
    from fieldscore import warehouse

    _make_rooms(settings)
    if arguments.action != "list" and not arguments.login:
        raise FieldscoreError("Say whose access: --login.")
    scope = (arguments.login, arguments.area, arguments.technician)
    with warehouse.connect(settings) as connection:
        if arguments.action == "grant":
            logins.grant(connection, settings, *scope)
        elif arguments.action == "revoke":
            logins.revoke(connection, settings, *scope)
        for login, kind, name in logins.granted(connection):
            if arguments.login in (None, login):
                print(f"{login} sees {kind} {name}")


def erase(settings: Settings, arguments: argparse.Namespace) -> None:
    """Erase a customer: nothing that is kept can be linked to him; orders and scores stand."""
    from fieldscore import erasure, warehouse

    _make_rooms(settings)
    # From standard input an id is in no list of processes and in no shell's history.
    customers = arguments.customer or sys.stdin.read().splitlines()
    with warehouse.connect(settings) as connection:
        for customer in customers:
            print(erasure.erase(connection, settings, customer))


def psql(settings: Settings, arguments: argparse.Namespace) -> None:
    """Open psql as the reading role."""
    from psycopg.conninfo import conninfo_to_dict

    from fieldscore import local_postgres
    from fieldscore.warehouse import reader_url

    _make_rooms(settings)
    place = conninfo_to_dict(reader_url(settings))
    program = local_postgres.program("psql")
    # In the environment: a password among the arguments is visible to every account.
    environment = {
        "PGHOST": place["host"],
        "PGPORT": str(place.get("port", 5432)),
        "PGUSER": place["user"],
        "PGPASSWORD": place["password"],
        "PGDATABASE": place["dbname"],
    }
    os.execve(program, ["psql", *_rest(arguments)], {**os.environ, **environment})  # noqa: S606


def dbt(settings: Settings, arguments: argparse.Namespace) -> None:
    """Run any dbt command on the warehouse, as a night does."""
    from fieldscore import transform

    transform.run(settings, *_rest(arguments))


def up(settings: Settings, arguments: argparse.Namespace) -> None:
    """Start Airflow of this home, with UI and schedule."""
    from fieldscore import live_airflow

    live_airflow.up(settings)


def down(settings: Settings, arguments: argparse.Namespace) -> None:
    """Stop everything this home started."""
    from fieldscore import live_airflow

    live_airflow.down(settings)


def check(settings: Settings, arguments: argparse.Namespace) -> None:
    """Check declarations, expectations and policy; part of make lint."""
    from fieldscore import policy, quality
    from fieldscore.feeds import load_declarations

    load_declarations(settings.feeds)
    policy.validate()
    quality.validate_suites()
    print("declarations, policy and expectations are in order")


def landing_path(settings: Settings):
    """The landing as a local folder; the sample company is written to nothing else."""
    from pathlib import Path

    if "://" in settings.landing:
        raise FieldscoreError("FIELDSCORE_LANDING is an object store; the sample needs a folder.")
    return Path(settings.landing)


def _run(settings: Settings, dates: list[date]) -> None:
    """In process, or through the live scheduler where `make up` runs the schedule; never both."""
    if not dates:
        print("these nights are published already")
        return
    from fieldscore import live_airflow

    is_up = live_airflow.is_up(settings)
    if is_up and live_airflow.is_paused(settings, "nightly"):
        print("nightly is paused in the running Airflow, so the night runs in this process")
    elif is_up:
        for business_date in dates:
            run_id = live_airflow.trigger(
                settings, "nightly", {"business_date": business_date.isoformat()}
            )
            live_airflow.wait(settings, "nightly", run_id)
        return
    from fieldscore.airflow_in_process import run_nights

    run_nights(settings, dates)


def _make_rooms(settings: Settings) -> None:
    """The warehouse with its schemas and its reading role, started and made where missing."""
    from fieldscore import warehouse

    with warehouse.connect(settings) as connection:
        warehouse.migrate(connection, settings)


def _show(settings: Settings, technician_id: str | None) -> None:
    from fieldscore import report

    _make_rooms(settings)
    print("\n" + report.show(settings, technician_id))


def _rest(arguments: argparse.Namespace) -> list[str]:
    """What follows the command, options too, without the `--` that may set it off."""
    words = sys.argv[sys.argv.index(arguments.command.__name__) + 1 :]
    return words[words[:1] == ["--"] :]


def _date(text: str, name: str) -> date:
    from fieldscore.business_dates import parse

    return parse(text, name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fieldscore", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(command, *names: str, **options) -> argparse.ArgumentParser:
        name = command.__name__
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        for argument in names:
            sub.add_argument(argument, **options.get(argument.strip("-"), {}))
        return sub

    a_date = {"type": date.fromisoformat, "metavar": "YYYY-MM-DD"}
    add(run).add_argument("--until", default=date(2026, 3, 9), **a_date, help="last business date")
    add(night).add_argument("date", metavar="YYYY-MM-DD")
    two = add(backfill)
    two.add_argument("first", metavar="FROM")
    two.add_argument("last", metavar="TO")
    add(rebuild).add_argument("as_of", metavar="AS_OF")
    add(replay).add_argument("load", type=int, metavar="LOAD", help="load_id of ops.rejects")
    add(show).add_argument("technician", nargs="?", help="whose score is explained")
    company = add(sample)
    company.add_argument("--technicians", type=int, default=200)
    company.add_argument("--months", type=int, default=14)
    company.add_argument("--until", default=date(2026, 3, 9), **a_date)
    company.add_argument("--nights", type=int, default=NIGHTS_OF_A_FIRST_RUN)
    company.add_argument("--orders", type=float, default=2.5, help="per technician and day")
    company.add_argument("--seed", type=int, default=1)
    add(url).add_argument("--login", help="whose URL; without it the reading role's")
    who = add(access)
    who.add_argument("action", choices=("grant", "revoke", "list"))
    who.add_argument("--login", help="the person's login")
    who.add_argument("--area", action="append", default=[], help="its technicians; may be repeated")
    who.add_argument("--technician", action="append", default=[], help="may be repeated")
    add(erase).add_argument(
        "--customer", action="append", help="may be repeated; without it, a line each from stdin"
    )
    for command in (migrate, up, down, check):
        add(command)
    for command in (psql, dbt):
        add(command).add_argument("rest", nargs="*", help=f"passed on to {command.__name__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
