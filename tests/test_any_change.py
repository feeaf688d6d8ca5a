"""Whatever changes, nights that follow its consequences give what a rebuild gives.

Records of the sample company are said otherwise, moved, renamed and corrected at random, over
several nights that may be weeks apart: each still one that a company could deliver. Most are about
a few orders, so that their changes meet.
"""

from __future__ import annotations

import csv
import gzip
from datetime import datetime, timedelta
from random import Random

import hypothesis
import hypothesis.strategies as st
import pytest
from fieldscore import night, sample_company
from fieldscore.canonical import CORRECTIONS, canonical_feeds
from hypothesis import HealthCheck, Phase, given
from nights import CORE, SMALL_NIGHTS, Row, Site, deliver, marts, rows, run_night, silent
from test_equality import differences, went_on

# Another zone of an area makes everything anew, which is equal to a rebuild because it is one.
FEEDS = [feed for feed in canonical_feeds() if feed != "areas"]
# What places a version among its others is drawn apart, and so is which record it is of.
PLACES = {"updated_at", "version"}
# What ties a record to others: said otherwise more often than the rest.
TIES = {
    "technician_id", "order_id", "follow_up_of", "appliance_serial", "customer_id", "trip_id",
    "incurred_on", "fault_code", "status", "completed_at", "arrived_at",
}  # fmt: skip
# Keys whose new values are free: a technician or a day is another one, and no more of the same.
NEW_KEYS = {feed for feed in FEEDS if feed not in ("technicians", "roster", CORRECTIONS)}

STEPS = [timedelta(minutes=3), timedelta(hours=5), timedelta(days=1), timedelta(days=8)]
DAYS_BETWEEN_NIGHTS = [1, 1, 2, 5, 8, 24, 33]


@pytest.fixture(scope="module")
def published(site: Site) -> str:
    """The small company, its first night published, its feeds counting from a declared day: that of
    their earliest event may become another one, and then everything is made anew."""
    settings = site.clear()
    site.landing.rmdir()
    sample_company.generate(
        site.landing, technicians=12, months=3, nights=3, dirty=False, progress=silent
    )
    for declaration in site.feeds.glob("*.yml"):
        declaration.write_text(declaration.read_text(encoding="utf-8") + "start: 2025-12-01\n")
    run_night(settings, SMALL_NIGHTS[0])
    return site.keep("any_change_published")


def delivered(site: Site) -> dict[str, list[Row]]:
    """Every row that was delivered, by feed."""
    found = {feed: [] for feed in FEEDS}
    for feed, records in found.items():
        for path in sorted((site.landing / feed).glob("*/*")):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", newline="", encoding="utf-8") as file:
                records += csv.DictReader(file)
    return found


class Company:
    """What may be said of a company's records, at random."""

    def __init__(self, records: dict[str, list[Row]], chance: Random) -> None:
        self.chance = chance
        self.all = records
        few = {row["order_id"] for row in chance.sample(records["work_orders"], 15)}
        self.near = {
            feed: [row for row in found if row.get("order_id") in few or chance.random() < 0.05]
            for feed, found in records.items()
        }

    def some(self, feed: str) -> Row:
        return dict(self.chance.choice(self.near[feed] or self.all[feed]))

    def value(self, feed: str, column: str, now: str) -> str:
        """Something else such a record may say: a moment near by, nothing, or what another says."""
        drawn = self.chance.random()
        with_time = len(now) == len("2026-03-07T12:00:00+08:00")
        if with_time and drawn < 0.5:
            step = self.chance.choice(STEPS) * self.chance.choice([-1, 1])
            return (datetime.fromisoformat(now) + step).isoformat()
        declared = canonical_feeds()[feed].columns[column]
        if drawn < 0.6 and not declared.filled:
            return ""
        if drawn < 0.65 and column in TIES and column.endswith("_id"):
            return f"NEW-{self.chance.randint(1, 3)}"
        return self.some(feed)[column]

    def version(self, feed: str, as_of: datetime) -> Row:
        """A record said otherwise: mostly just now, or long ago, or ahead of the night."""
        row = self.some(feed)
        keys = set(canonical_feeds()[feed].key)
        others = [column for column in row if column not in keys | PLACES]
        ties = [column for column in others if column in TIES]
        said = self.chance.sample(others, self.chance.randint(0, min(3, len(others))))
        for column in {*said, *self.chance.sample(ties, min(1, len(ties)))}:
            row[column] = self.value(feed, column, row[column])
        if feed in NEW_KEYS and self.chance.random() < 0.15:
            row |= {key: f"{row[key]}-{self.chance.randint(1, 3)}" for key in keys}
        if "updated_at" in row:
            hours = self.chance.choice([-1, -1, -1, -20, -2000, 30])
            row["updated_at"] = (as_of + timedelta(hours=hours)).isoformat()
        if row.get("version") and self.chance.random() < 0.8:
            row["version"] = str(int(row["version"]) + self.chance.randint(0, 3))
        return row

    def correction(self, number: int, as_of: datetime) -> Row:
        feed = self.chance.choice(["work_orders", *(f for f in FEEDS if self.all[f])])
        target = self.some(feed)
        keys = canonical_feeds()[feed].key
        field = self.chance.choice([column for column in target if column not in {*keys, *PLACES}])
        return {
            "correction_id": f"ANY{number}",
            "target_feed": feed,
            "target_key": "/".join(target[key] for key in keys),
            "field": field,
            "new_value": self.value(feed, field, target[field]),
            "reason": "said otherwise",
            "evidence_ref": "call",
            "decided_by": "chief",
            "decided_at": (as_of + self.chance.choice([-1, -1, -40, 30]) * STEPS[1]).isoformat(),
            "decision": self.chance.choice(["upheld", "upheld", "upheld", "rejected"]),
        }


@given(seed=st.integers(min_value=0, max_value=2**32))
@hypothesis.settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nights_of_any_changes_give_what_a_rebuild_gives(
    site: Site, published: str, seed: int
) -> None:
    settings = site.go_back(published)
    chance = Random(seed)
    company = Company(delivered(site), chance)
    business_date = SMALL_NIGHTS[0]
    for number in range(chance.randint(2, 3)):
        business_date += timedelta(days=chance.choice(DAYS_BETWEEN_NIGHTS))
        as_of = datetime.fromisoformat(f"{business_date + timedelta(days=1)}T00:00:00+08:00")
        changes = chance.choice([3, 10, 40])
        for feed in FEEDS:
            if not company.all[feed] or (feed not in CORE and chance.random() < 0.4):
                continue
            if feed == CORRECTIONS:
                records = [company.correction(100 * number + n, as_of) for n in range(changes)]
            else:
                records = [company.version(feed, as_of) for _ in range(changes)]
                # Among many that say nothing new, so that no gate takes them for a wrong extract.
                records += chance.choices(company.all[feed], k=10 * changes)
            late = timedelta(days=chance.choice([0, 0, 3]) if feed not in CORE else 0)
            deliver(settings, feed, business_date - late, records, f"changes_{number}.csv")
        went_on(settings, run_night(settings, business_date))
    by_nights = marts(settings)
    # What was said otherwise stands: else equality would say nothing.
    [said] = rows(
        settings,
        "select sum(current_rows) as stands, sum(rejected) as rejected from ops.accounting"
        " join ops.loads using (load_id) where file like 'changes_%%'",
    )
    assert said["stands"] > max(5, said["rejected"])
    night.rebuild(settings, business_date, say=silent)
    assert differences(by_nights, marts(settings)) == []
