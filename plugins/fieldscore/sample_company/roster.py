"""When technicians are on duty: planned a week ahead, and as it turned out."""

from __future__ import annotations

import numpy as np

from fieldscore.sample_company.people import DAY, HOUR, MINUTE, Company

AHEAD = 7  # days
FULL, HALF, LONGEST = 480, 240, 660  # minutes
_WAY = 35 * MINUTE

ROSTER = np.dtype([(name, "i4") for name in ("updated", "technician", "day", "minutes")])


class Duty:
    """What is known of the days to come: the seconds each technician will have worked, by day."""

    def __init__(self, technicians: int) -> None:
        self._nothing = np.zeros(technicians)
        self._worked: dict[int, np.ndarray] = {}

    def note(self, company: Company, trips: np.ndarray) -> None:
        """Add these trips (of VISIT), ways included; an end nobody told is an hour later."""
        seconds = np.where(trips["left"] < 0, HOUR, trips["left"] - trips["arrived"]) + _WAY
        seconds[trips["arrived"] < 0] = _WAY
        days = company.local_day(trips["area"], trips["departed"])
        for day in np.unique(days).tolist():
            on = days == day
            added = np.bincount(trips["technician"][on], seconds[on], minlength=len(self._nothing))
            self._worked[day] = self._worked.get(day, self._nothing) + added

    def minutes(self, day: int) -> np.ndarray:
        """Minutes each technician worked on that day, when all is noted; it is forgotten then."""
        return self._worked.pop(day, self._nothing) // MINUTE


def roster_of(company: Company, duty: Duty, day: int) -> np.ndarray:
    """The rows (of ROSTER) of a day: the plan of a week later, and what today became otherwise.

    Nobody is told beforehand who falls ill, so leave is where a day of work went by without a
    visit; who visits somebody on a day off or beyond his hours is shown with them.
    """
    ahead = [day + AHEAD] if day else range(AHEAD + 1)
    rows = [_rows(company, day, when, *_planned(company, when), hour=17) for when in ahead]
    employed, plan = _planned(company, day)
    number = np.arange(len(plan))
    chance = company.draw("stays away", number, number * 0 + day)
    worked = duty.minutes(day)
    longer = np.minimum(-(-worked // 30) * 30, LONGEST)
    became = np.maximum(plan, longer)
    became[(plan > 0) & (worked == 0) & (chance < 0.25)] = 0
    became[(plan == FULL) & (worked > 0) & (worked <= HALF - 60) & (chance < 0.08)] = HALF
    otherwise = employed & (became != plan)
    return np.concatenate([*rows, _rows(company, day, day, otherwise, became, hour=20)])


def _planned(company: Company, day: int) -> tuple[np.ndarray, np.ndarray]:
    """Who is employed on that day, from that of hiring on, and the minutes each is to work."""
    employed, working = company.crew(day)
    number = np.arange(len(working))
    half = company.draw("works half a day", number, number * 0 + day) < 0.04
    minutes = np.where(working, np.where(half, HALF, FULL), 0)
    return employed | (company.on_duty_from == day + 1), minutes


def _rows(
    company: Company, told: int, day: int, whose: np.ndarray, minutes: np.ndarray, hour: int
) -> np.ndarray:
    technician = np.flatnonzero(whose)
    rows = np.zeros(len(technician), ROSTER)
    area = company.areas_on(told)[technician]
    rows["updated"] = company.moment(area, np.full(len(technician), told * DAY + hour * HOUR))
    rows["technician"], rows["day"], rows["minutes"] = technician, day, minutes[technician]
    return rows
