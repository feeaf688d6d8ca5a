"""What technicians are taught. It makes nobody better: the truth of this company stands still."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from fieldscore.sample_company.chance import normal
from fieldscore.sample_company.people import DAY, HOUR, Company

COURSES = (
    "refrigerant safety",
    "fault finding",
    "talking with customers",
    "electrical safety",
    "new models",
    "parts and warranty",
)

TRAINING = np.dtype(
    [
        *((name, "i4") for name in ("updated", "technician", "day")),
        *((name, "i2") for name in ("before", "after")),  # tenths, -1 without a test
        *((name, "i1") for name in ("course", "attended")),
    ]
)


def training_of(company: Company, day: int) -> np.ndarray:
    """Every row (of TRAINING) of the course that is held on that day, if one is.

    One course on the second Wednesday of a month, for a quarter of the technicians. The test after
    it is a week later and delivered with the same training again.
    """
    today = company.start + timedelta(days=day)
    if today.weekday() != 2 or not 8 <= today.day <= 14:
        return np.zeros(0, TRAINING)
    employed, _ = company.crew(day)
    number = np.arange(len(employed))

    def draw(what: str) -> np.ndarray:
        return company.draw(f"training {what}", number, np.full(len(number), day))

    invited = np.flatnonzero(employed & (draw("invites") < 0.25))
    rows = np.zeros(len(invited), TRAINING)
    rows["technician"], rows["day"], rows["course"] = invited, day, today.month % len(COURSES)
    rows["updated"] = day * DAY + 18 * HOUR
    rows["attended"] = attended = draw("attends")[invited] < 0.92
    before = 600 + 60 * company.latent.fix_quality[invited] + 90 * normal(draw("before")[invited])
    gain = 90 + 80 * normal(draw("gain")[invited])
    rows["before"] = np.where(attended, np.clip(before, 100, 950), -1)
    rows["after"] = -1
    tested = np.flatnonzero(attended & (draw("tested")[invited] < 0.95))
    later = rows.take(tested)
    later["after"] = np.clip(later["before"] + gain[tested], 100, 1000)
    later["updated"] += 7 * DAY
    return np.concatenate([rows, later])
