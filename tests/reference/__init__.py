"""The second route: a technician's month worked out from the raw deliveries, slowly and plainly.

The pipeline and this package answer the same question by two ways that share nothing but the
handbook, the policy files and the deliveries: no code, no SQL, no table in between. Where both
give the same number, it is hardly by the same mistake; where they differ, one has misread the
handbook or the handbook says two things. So nothing here may import fieldscore or read its models,
and a rule is written the way the handbook words it, not the way that is fast.

    found = score(landing, policy_folder, date(2026, 3, 9))
    differences(found, marts(settings))  # nothing, or one line per number that is not the same

====================  =============================================================
``deliveries``        files to typed rows: rejects, versions, corrections, starts
``policy``            the CSV files, as dated rows
``clocks``            intervals, net time, working time, local dates
``orders``            what one order's versions, visits and pauses say happened
``records``           the table of eligibility: every record a KPI judges
``scores``            benchmarks, values, points, weights, scores, ranks
``lines``             the explanation that adds up to the score
``comparison``        reference and marts, number by number
====================  =============================================================
"""

from __future__ import annotations

from reference.comparison import differences, disputed_records
from reference.scores import Reference, score

__all__ = ["Reference", "differences", "disputed_records", "score"]
