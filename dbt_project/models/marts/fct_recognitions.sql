-- One row per recognition: what it brings, and if nothing, why.
select
    recognition_id,
    technician_id,
    period_month,
    order_id,
    kind,
    occurred_on,
    eligible,
    reason_code,
    cast(points as decimal(7, 2)) as points,
    evidence_ref
from {{ ref('int_recognitions') }}
