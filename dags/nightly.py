"""
### One night: land → check → stage → score → audit → publish

Scores the technicians as of the end of one **business date** (24:00 in the project's zone).

- **Input**: `<landing>/<feed>/<date>/…` of every feed declared in `dags/feeds`, late files too.
- **Output**: schema `marts`, changed in one transaction at the very end.
- **If it fails**, BI goes on showing the scores of the night before. `ops.runs.message` says why,
  `docs/runbook.md` what to do. Run it again with the same date: nothing is lost or counts twice.
- A night at or before the last published date only lands; the next one carries what it brought.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, CronTriggerTimetable, Param, chain, dag, get_current_context, task
from fieldscore.feeds import declared_feeds
from fieldscore.settings import Settings
from fieldscore.tasks import pick_business_date, schedule_zone, step, to_date

FEEDS = declared_feeds(Settings.feeds_folder())
MARTS = Asset("marts", uri="fieldscore://warehouse/marts")

DEFAULT_ARGS = {
    "owner": "data-team",
    # A passing fault (a connection cut, a file still being written) is gone in a minute or two.
    # What a person must put right is never retried: fieldscore.tasks.step.
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=3),
}


@dag(
    schedule=CronTriggerTimetable("0 2 * * *", timezone=schedule_zone()),
    start_date=pendulum.datetime(2015, 1, 1, tz=schedule_zone()),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=["impact/1"],
    params={
        "business_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Business date",
            description_md="The date to score, e.g. `2026-03-09`."
            " Empty: the last date that had ended when the run was due.",
        )
    },
)
def nightly():
    @task
    def pick_date() -> str:
        """The business date of this run, computed once and passed down."""
        context = get_current_context()
        scheduled = context.get("logical_date") or context["dag_run"].run_after
        return pick_business_date(context["params"]["business_date"], scheduled)

    @task
    def open_night(night: str) -> int:
        """Make the warehouse's rooms and take the lease: one night at a time."""
        airflow_run_id = get_current_context()["dag_run"].run_id
        return step("open_night", business_date=to_date(night), airflow_run_id=airflow_run_id)

    @task
    def check_declarations(run: int) -> None:
        """Refuse a wrong feed declaration, expectation or policy, naming file, key and reason."""
        step("check_declarations", run_id=run)

    @task
    def await_deliveries(run: int, night: str) -> None:
        """Wait for the required feeds, as long as their declarations say."""
        step("await_deliveries", run_id=run, business_date=to_date(night))

    @task(
        map_index_template="{{ task.op_kwargs['feed'] }}",
        # Of a mapped task Airflow does not show the docstring.
        doc_md="Bring every delivery of one feed into raw, each file in one transaction.",
    )
    def land(run: int, night: str, feed: str) -> int:
        return step("land", run_id=run, business_date=to_date(night), feed=feed)

    @task
    def check_raw(run: int) -> None:
        """The gate on what was delivered: a critical finding stops the night."""
        step("check_raw", run_id=run)

    @task.short_circuit
    def is_newest(run: int, night: str) -> bool:
        """A night at or before the last published date ends here."""
        return step("is_newest", run_id=run, business_date=to_date(night))

    @task
    def stage(run: int) -> None:
        """Load changed policy, type the delivered text, keep the newest version per key."""
        step("stage", run_id=run)

    @task
    def score(run: int) -> None:
        """Clocks, credit and repeats, every KPI, benchmarks, points and lines."""
        step("score", run_id=run)

    @task
    def audit(run: int) -> None:
        """Build the marts beside the published ones; contracts and dbt tests hold."""
        step("audit", run_id=run)

    @task
    def check_marts(run: int) -> None:
        """The gate on the audited marts: a critical finding stops the publication."""
        step("check_marts", run_id=run)

    @task(outlets=[MARTS])
    def publish(run: int) -> None:
        """Carry the audited night to the marts in one transaction."""
        step("publish_night", run_id=run)

    @task
    def close_night(run: int) -> str:
        """Give the lease back and say how the night ended, whatever happened."""
        return step("close_night", run_id=run)

    night = pick_date()
    run = open_night(night)
    chain(
        run,
        check_declarations(run),
        await_deliveries(run, night),
        land.partial(run=run, night=night).expand(feed=FEEDS),
        check_raw(run),
        is_newest(run, night),
        stage(run),
        score(run),
        audit(run),
        check_marts(run),
        publish(run),
        close_night(run).as_teardown(setups=run),
    )


nightly()
