"""The marts are what was delivered and the date decide, whatever way the nights took.

Nights in order, the same deliveries late, twice or in another order, and one rebuild give equal
marts, row by row and column by column.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date

import hypothesis
import hypothesis.strategies as st
import pytest
from fieldscore import night
from fieldscore.canonical import canonical_feeds
from fieldscore.settings import Settings
from hypothesis import HealthCheck, Phase, example, given
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

FEEDS = sorted(feed for feed in canonical_feeds() if feed not in ("areas", "training"))
# How a delivery of the second night comes; twice: in time, and again with the third.
WAYS = ("in time", "twice", "half late", "late")


@example(ways=dict.fromkeys(FEEDS, "late"), is_skipped=True)
@given(ways=st.fixed_dictionaries({feed: st.sampled_from(WAYS) for feed in FEEDS}), is_skipped=...)
@hypothesis.settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_any_schedule_gives_what_the_nights_in_order_gave(
    site: Site, small_published: str, in_order, ways: dict[str, str], is_skipped: bool
) -> None:
    """is_skipped: there is no second night; its deliveries come with the third."""
    settings = site.go_back(small_published)
    [_, second, last] = SMALL_NIGHTS
    bring = []
    for feed, way in ways.items():
        if not (site.landing / feed / str(second)).exists():
            continue
        if way == "twice":
            [file] = (site.landing / feed / str(second)).iterdir()
            bring.append(lambda file=file: shutil.copy(file, file.with_name(f"zz_{file.name}")))
        elif way != "in time":
            whole = way == "late" and feed not in CORE
            bring.append(hold_back(site, feed, second, all_of_it=whole))
    if not is_skipped:
        went_on(settings, run_night(settings, second))
    for bring_it in bring:
        bring_it()
    went_on(settings, run_night(settings, last))
    assert differences(marts(settings), in_order[1]) == []
