-- One row per complaint: of 100 points, how well was it answered, resolved and ended?
-- Counts for the day of the order's first completion (cancelled: of cancellation; else the due time), for
-- its accountable technician, once its limits have passed.
with
night as (
    select * from {{ ref('stg_night') }}
),

complaints as (
    select * from {{ ref('int_complaints') }}
),

judged as (
    select
        complaints.complaint_id,
        complaints.order_id,
        complaints.stratum,
        complaints.accountable_technician_id as technician_id,
        complaints.anchored_at,
        {{ local_date('complaints.anchored_at', 'complaints.time_zone') }} as business_date,
        case
            when complaints.exclusion = 'undecided' then null
            else coalesce(complaints.handled_by, complaints.received_at)
        end as matures_at,
        case
            when complaints.exclusion <> 'undecided' then complaints.exclusion
            when exclusions.case_code is not null then complaints.first_case_code
            when complaints.accountable_technician_id is null then 'technician_unknown'
        end as exclusion,
        nullif(concat_ws(
            '_and_',
            case when not complaints.is_answered_in_limit then 'answered_late' end,
            case when not complaints.is_resolved_in_limit then 'resolved_late' end,
            case
                when complaints.final_rating is not null and not complaints.is_satisfied
                    then 'not_satisfied'
            end
        ), '') as failure,
        complaints.handling_points as numerator,
        complaints.evidence_ref
    from complaints
    {{ join_exclusions('complaint_handling', 'complaints', 'first_case_code') }}
)

select
    'complaint_handling' as kpi_code,
    'complaints' as feed,
    complaint_id as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    coalesce(numerator, 0) as numerator,
    1 as denominator,
    stratum,
    evidence_ref
from judged
cross join night
