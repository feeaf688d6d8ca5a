-- One row per line of an explanation; the lines of a score add up to it.
select
    period_month,
    cast(edition as integer) as edition,
    technician_id,
    cast(line_no as bigint) as line_no,
    kpi_code,
    line_kind,
    cast(points as integer) as points,
    evidence_feed,
    evidence_key,
    reason
from {{ ref('int_score_lines') }}
