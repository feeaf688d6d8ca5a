"""The company: its areas, its technicians, what they are really like, and its clocks.

Days are counted from the first day of the sample (0), moments are seconds since its midnight in
Shanghai; ``local`` moments are seconds since that midnight on the wall of the area.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from fieldscore.sample_company.chance import between, chance, normal, pick

DAY = 86_400
HOUR = 3_600
MINUTE = 60
NEVER = 2**40  # later than any moment and any day; 0 - 1 is how a row says "no moment"
SHANGHAI = ZoneInfo("Asia/Shanghai")
MARGIN = 120  # days behind the last one that a moment may still be promised for


@dataclass(frozen=True)
class Area:
    """kilometres: the median way to a customer."""

    area_id: str
    name: str
    region: str
    time_zone: str
    calendar_id: str
    kilometres: float


# No zone may be ahead of Shanghai: the simulation runs through local days in Shanghai's order.
AREAS = (
    Area("A01", "Shanghai Pudong", "East", "Asia/Shanghai", "standard", 9),
    Area("A02", "Beijing Chaoyang", "North", "Asia/Shanghai", "standard", 11),
    Area("A03", "Guangzhou Tianhe", "South", "Asia/Shanghai", "standard", 8),
    Area("A04", "Chengdu Wuhou", "West", "Asia/Shanghai", "standard", 9),
    Area("A05", "Hangzhou Xihu", "East", "Asia/Shanghai", "standard", 10),
    Area("A06", "Urumqi Tianshan", "West", "Asia/Urumqi", "standard", 18),
    Area("A07", "Shenzhen Nanshan", "South", "Asia/Shanghai", "retail", 7),
    Area("A08", "New York Flushing", "Overseas", "America/New_York", "standard", 13),
)
# The areas of any twenty technicians in a row; the first eight have one in every area.
_HOMES = np.array([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 0])
TECHNICIAN_COLUMNS = "technician_id,name,area_id,team_id,grade,hired_on,left_on,base_pay,updated_at"
_TEAM = 200  # technicians of whom those of one area are one team
GRADES = ("junior", "senior", "expert")
_YEARS = ((0, 4), (2, 10), (6, 18))
_BASE_PAY = ((52, 64), (70, 85), (92, 115))  # hundreds of CNY a month
_SURNAMES = (
    *("Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu"),
    *("Xu", "Sun", "Hu", "Zhu", "Gao", "Lin", "He", "Guo", "Ma", "Luo"),
)
_GIVEN = (
    *("Wei", "Fang", "Na", "Min", "Jing", "Qiang", "Lei", "Yang", "Yong", "Jun"),
    *("Jie", "Juan", "Tao", "Ming", "Chao", "Xiulan", "Xia", "Ping", "Gang", "Guiying"),
    *("Haoran", "Yuxuan", "Zihan", "Jianguo", "Guohua", "Zhiqiang", "Xiaodong", "Lihua"),
)


@dataclass(frozen=True)
class Character:
    """What technicians are really like: standard scores, about 0 on average, higher is better."""

    grade: np.ndarray
    fix_quality: np.ndarray
    politeness: np.ndarray
    speed: np.ndarray
    thrift: np.ndarray


def character(technicians: int, seed: int) -> Character:
    """The latent character of each technician. Experience makes nobody politer or thriftier."""
    number = np.arange(technicians)
    draw = partial(chance, seed)
    grade = pick(draw("grade", number), (35, 45, 20))
    experience = np.array([-0.5, 0.1, 0.6])[grade]
    return Character(
        grade=grade,
        fix_quality=experience + 0.9 * normal(draw("fix quality", number)),
        politeness=normal(draw("politeness", number)),
        speed=experience + 0.9 * normal(draw("speed", number)),
        thrift=normal(draw("thrift", number)),
    )


def truth(technicians: int = 200, seed: int = 1) -> list[dict]:
    """What no feed tells: every technician's latent character, to compare scores with.

    One dict per technician: technician_id, area_id (the first one), grade (the first one), and the
    standard scores fix_quality (fewer repeat repairs and reopened orders, more points in tests,
    better ratings), politeness (better ratings, more points for conduct, fewer complaints), speed
    (quicker acceptance, visits, repairs and answers to complaints, hence more on time) and thrift
    (smaller travel claims, fewer and smaller parts lines). Deterministic in its arguments.
    """
    latent = character(technicians, seed)
    return [
        {
            "technician_id": technician_id(number),
            "area_id": AREAS[_HOMES[number % len(_HOMES)]].area_id,
            "grade": GRADES[latent.grade[number]],
            "fix_quality": round(float(latent.fix_quality[number]), 4),
            "politeness": round(float(latent.politeness[number]), 4),
            "speed": round(float(latent.speed[number]), 4),
            "thrift": round(float(latent.thrift[number]), 4),
        }
        for number in range(technicians)
    ]


def technician_id(number: int) -> str:
    return f"T{number + 1:05}"


@dataclass(frozen=True)
class Company:
    """All that holds through the whole sample.

    Arrays are per technician: area (at first), moved_on and moved_to, on_duty_from and
    on_duty_until (days, both included), rests (weekday, 0 Monday, of the first of two days off),
    pace and spending (factors on durations, and on travel claims and parts). shift: seconds to add
    to a local moment, per area and local day. records: the technicians feed, as (day, line, day
    from which a newer record holds).
    """

    seed: int
    start: date
    days: int
    orders_per_technician_day: float
    latent: Character
    area: np.ndarray
    moved_on: np.ndarray
    moved_to: np.ndarray
    on_duty_from: np.ndarray
    on_duty_until: np.ndarray
    rests: np.ndarray
    pace: np.ndarray
    spending: np.ndarray
    shift: np.ndarray
    records: list[tuple[int, str, int]]

    def draw(self, what: str, *whom: np.ndarray) -> np.ndarray:
        return chance(self.seed, what, *whom)

    def moment(self, area: np.ndarray, local: np.ndarray) -> np.ndarray:
        """The moment at which the area's wall clock shows ``local``."""
        return local + self.shift[area, local // DAY]

    def local_day(self, area: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """The day the area's calendar shows at that moment of somebody's working hours."""
        return (moment - self.shift[area, moment // DAY]) // DAY

    def areas_on(self, day: int) -> np.ndarray:
        """The area each technician works in on that day."""
        return np.where(day >= self.moved_on, self.moved_to, self.area)

    def crew(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Who is employed, and who of them works on that day, as two masks.

        An area where all would rest calls in everybody it employs.
        """
        employed = (self.on_duty_from <= day) & (day <= self.on_duty_until)
        weekday = (self.start + timedelta(days=day)).weekday()
        working = employed & ((weekday - self.rests) % 7 > 1)
        area = self.areas_on(day)
        awake = np.bincount(area[working], minlength=len(AREAS)) > 0
        return employed, working | (employed & ~awake[area])

    def anybody(self, day: int, area: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """For each of these areas and draws somebody who works there on that day."""
        _, working = self.crew(day)
        areas = self.areas_on(day)
        crew = np.flatnonzero(working)
        crew = crew[np.argsort(areas[crew], kind="stable")]
        size = np.bincount(areas[crew], minlength=len(AREAS))
        first = np.cumsum(size) - size
        return crew[first[area] + (draw * size[area]).astype(np.int64)]


def found(
    technicians: int, seed: int, start: date, days: int, orders_per_technician_day: float
) -> Company:
    """Set up the company that works from ``start`` for ``days`` days."""
    number = np.arange(technicians)
    draw = partial(chance, seed)
    latent = character(technicians, seed)
    area = _HOMES[number % len(_HOMES)]

    # At most one thing happens to anybody in the period: 7 % leave, 3 % move, 5 % are promoted.
    fate = draw("fate", number)
    leaves = fate < 0.07
    moves = (fate >= 0.07) & (fate < 0.10) & (area < 5)  # only where all areas share one clock
    promoted = (fate >= 0.10) & (fate < 0.15) & (latent.grade < 2)
    turn = between(draw("turning point", number), days // 4, max(days // 4, days - 10))
    joins = (fate >= 0.15) & (fate < 0.30) & (latent.grade == 0)
    years = np.array(_YEARS)[latent.grade]
    tenure = 30 + (365 * (years[:, 0] + draw("tenure", number) * (years[:, 1] - years[:, 0])))
    hired = np.where(joins, turn, -tenure.astype(np.int64))
    moved_to = (area + 1 + between(draw("new area", number), 0, 3)) % 5
    pay = np.array(_BASE_PAY)
    base_pay = pay[:, 0] + (draw("pay", number)[:, None] * (pay[:, 1] - pay[:, 0])).astype(np.int64)

    def day_on(day: int) -> str:
        return str(start + timedelta(days=int(day)))

    name = zip(
        between(draw("surname", number), 0, len(_SURNAMES) - 1),
        between(draw("given name", number), 0, len(_GIVEN) - 1),
        strict=True,
    )
    records = []
    for i, (surname, given) in enumerate(name):
        first = (area[i], latent.grade[i], "", hired[i], "09:00")
        if leaves[i]:
            later = (area[i], latent.grade[i], day_on(turn[i]), turn[i] - 7, "17:30")
        elif moves[i]:
            later = (moved_to[i], latent.grade[i], "", turn[i], "00:00")
        elif promoted[i]:
            later = (area[i], latent.grade[i] + 1, "", turn[i], "00:00")
        else:
            later = None
        versions = [first, later] if later else [first]
        for version, (where, grade, left_on, day, clock) in enumerate(versions):
            line = ",".join(
                (
                    technician_id(i),
                    f"{_SURNAMES[surname]} {_GIVEN[given]}",
                    AREAS[where].area_id,
                    f"{AREAS[where].area_id}-{i // _TEAM + 1}",
                    GRADES[grade],
                    day_on(hired[i]),
                    left_on,
                    f"{base_pay[i, grade]}00.00",
                    f"{day_on(day)}T{clock}:00+08:00",
                )
            )
            until = NEVER if version == len(versions) - 1 else int(versions[version + 1][3])
            records.append((int(day), line + "\n", until))

    return Company(
        seed=seed,
        start=start,
        days=days,
        orders_per_technician_day=orders_per_technician_day,
        latent=latent,
        area=area,
        moved_on=np.where(moves, turn, NEVER),
        moved_to=moved_to,
        on_duty_from=hired + 1,
        on_duty_until=np.where(leaves, turn, NEVER),
        rests=np.where(draw("weekend", number) < 0.2, 5, between(draw("rests", number), 0, 6)),
        # Rounded: the last bit of exp is not the same everywhere.
        pace=np.round(np.exp(-0.15 * latent.speed), 6),
        spending=np.round(np.exp(-0.15 * latent.thrift), 6),
        shift=_shifts(start, days + MARGIN),
        records=records,
    )


def _shifts(start: date, days: int) -> np.ndarray:
    """Seconds by which Shanghai's clock is ahead of each area's at noon, per area and local day."""
    shifts = []
    for area in AREAS:
        zone = ZoneInfo(area.time_zone)
        for day in range(days):
            noon = datetime.combine(start + timedelta(days=day), time(12), zone)
            ahead = noon.astimezone(SHANGHAI).replace(tzinfo=None) - noon.replace(tzinfo=None)
            shifts.append(int(ahead.total_seconds()))
    return np.array(shifts).reshape(len(AREAS), days)
