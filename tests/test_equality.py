"""The marts are what was delivered and the date decide, whatever way the nights took.

Nights in order, the same deliveries late, twice or in another order, and one rebuild give equal
marts, row by row and column by column.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from fieldscore import night, sample_company
from fieldscore.settings import Settings
from nights import CORE, SMALL_NIGHTS, Row, Site, marts, run_night, run_of, silent

LAST = SMALL_NIGHTS[-1]

Marts = dict[str, list[Row]]


def differences(found: Marts, wanted: Marts) -> list[str]:
    """Every row that only one of the two has, by mart; what is expected has a minus."""
    assert set(found) == set(wanted)
    told = []
    for mart in sorted(wanted):
        ours, theirs = ({repr(row) for row in of[mart]} for of in (found, wanted))
        told += [f"{mart} + {row}" for row in sorted(ours - theirs)]
        told += [f"{mart} - {row}" for row in sorted(theirs - ours)]
    return told


def went_on(settings: Settings, run_id: int) -> None:
    """The run was a night of what changed; without that, equality would say nothing."""
    run = run_of(settings, run_id)
    assert (run["status"], run["rebuilt_because"]) == ("published", None)


@pytest.fixture(scope="module")
def in_order(site: Site, small_published: str) -> tuple[str, Marts]:
    """The small company's nights one after the other, and what the last one published."""
    settings = site.go_back(small_published)
    for business_date in SMALL_NIGHTS[1:]:
        went_on(settings, run_night(settings, business_date))
    published = marts(settings)
    assert len(published["fct_kpi_events"]) > 10_000
    assert len(published["fct_technician_scores"]) > 30
    return site.keep("small_in_order"), published


def test_a_rebuild_gives_what_the_nights_gave(site: Site, in_order) -> None:
    kept, published = in_order
    settings = site.go_back(kept)
    night.rebuild(settings, LAST, say=silent)
    assert differences(marts(settings), published) == []


def hold_back(site: Site, feed: str, day: date, *, all_of_it: bool) -> Callable[[], None]:
    """Take a delivery, or the second half of its rows, out of the landing; what brings it back."""
    [file] = (site.landing / feed / str(day)).iterdir()
    head, *lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if not lines:
        return lambda: None
    kept = [] if all_of_it else lines[: len(lines) // 2]
    late = lines[len(kept) :]
    file.unlink()
    if kept:
        file.write_text("".join([head, *kept]), encoding="utf-8")
    return lambda: file.with_name(f"late_{file.name}").write_text("".join([head, *late]), "utf-8")


def test_late_and_repeated_deliveries_give_what_the_nights_in_order_gave(
    site: Site, small_published: str, in_order
) -> None:
    """Half of the second night's core feeds and all of three others come a night late; the orders
    come twice."""
    settings = site.go_back(small_published)
    [_, second, last] = SMALL_NIGHTS
    core = [hold_back(site, feed, second, all_of_it=False) for feed in CORE]
    others = [
        hold_back(site, feed, second, all_of_it=True) for feed in ("visits", "roster", "parts")
    ]
    went_on(settings, run_night(settings, second))
    for bring_back in [*core, *others]:
        bring_back()
    for file in (site.landing / "work_orders" / str(second)).iterdir():
        shutil.copy(file, file.with_name(f"zz_again_{file.name}"))
    went_on(settings, run_night(settings, last))
    assert differences(marts(settings), in_order[1]) == []


# --- any schedule of deliveries ------------------------------------------------------------------

# Over the turn of a month, whose first night records a benchmark; dirty rows and all feeds.
TURN = tuple(date(2026, 3, 30) + timedelta(days=n) for n in range(5))


@pytest.fixture(scope="module")
def turn_of_month(site: Site) -> str:
    """A company of half a year whose first of five nights is published."""
    settings = site.clear()
    site.landing.rmdir()
    sample_company.generate(
        site.landing,
        technicians=10,
        months=5,
        until=TURN[-1],
        nights=len(TURN),
        seed=11,
        dirty=False,
        progress=silent,
    )
    run_night(settings, TURN[0])
    return site.keep("turn_of_month")


def scheduled(site: Site, base: str, delays: dict[tuple[str, date], int], skipped: set) -> Marts:
    """Run the nights that are not skipped, each delivery so many nights late; what was published.

    A core feed is never without a delivery: the half of its rows comes in time.
    """
    settings = site.go_back(base)
    waiting: list[tuple[date, Callable[[], object]]] = []
    for (feed, day), delay in delays.items():
        if delay:
            arrival = TURN[min(TURN.index(day) + delay, len(TURN) - 1)]
            if arrival > day:
                waiting.append((arrival, hold_back(site, feed, day, all_of_it=feed not in CORE)))
    for business_date in TURN[1:]:
        for arrival, bring_back in waiting:
            if arrival == business_date:
                bring_back()
        if business_date not in skipped:
            went_on(settings, run_night(settings, business_date))
    return marts(settings)
