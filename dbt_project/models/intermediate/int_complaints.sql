-- One row per complaint: whether it counts against the technician, and how it was handled.
-- It counts when it is valid, about the technician, with evidence, and came in by the limit after the
-- order's completion (cancelled: cancellation; else due time); handbook 2.14 and 3.
with
complaints as (
    select * from {{ ref('stg_complaints') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

clocks as (
    select * from {{ ref('int_order_clocks') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

timed as (
    select
        complaints.complaint_id,
        complaints.order_id,
        complaints.received_at,
        complaints.category,
        complaints.valid,
        complaints.evidence_ref,
        complaints.final_rating,
        orders.first_case_code,
        orders.reported_on,
        orders.stratum,
        orders.accountable_technician_id,
        coalesce(orders.time_zone, night.time_zone) as time_zone,
        coalesce(
            orders.first_completed_at, orders.cancelled_at, clocks.due_at, complaints.received_at
        ) as anchored_at,
        coalesce(orders.first_completed_at, orders.cancelled_at, clocks.due_at)
        + limits.complaint_window_limit * interval '1' day as closes_at,
        complaints.received_at
        + greatest(limits.complaint_answer_limit, limits.complaint_resolution_limit)
        * interval '1' hour as handled_by,
        coalesce(
            complaints.responded_at
            <= complaints.received_at + limits.complaint_answer_limit * interval '1' hour,
            false
        ) as is_answered_in_limit,
        coalesce(
            complaints.resolved_at
            <= complaints.received_at + limits.complaint_resolution_limit * interval '1' hour,
            false
        ) as is_resolved_in_limit,
        coalesce(complaints.final_rating >= limits.complaint_final_rating_limit, false) as is_satisfied,
        limits.complaint_mitigated_limit,
        limits.complaint_mitigated_satisfied_limit,
        limits.complaint_points_answered_limit,
        limits.complaint_points_resolved_limit,
        limits.complaint_points_satisfied_limit
    from complaints
    cross join {{ ref('stg_night') }} as night
    left join orders on orders.order_id = complaints.order_id
    left join clocks on clocks.order_id = complaints.order_id
    left join limits on limits.day = orders.reported_on
)

select
    timed.*,
    case
        when stratum is null then 'order_unknown'
        when received_at > closes_at then 'received_late'
        when evidence_ref is null then 'no_evidence'
        when category <> 'technician' then 'not_technicians_doing'
        when not valid then 'not_valid'
        when category is null or valid is null then 'undecided'
    end as exclusion,
    -- What it weighs: turned good in time it weighs less (handbook 3, complaint_rate).
    case
        when is_resolved_in_limit and is_satisfied then complaint_mitigated_satisfied_limit
        when is_resolved_in_limit then complaint_mitigated_limit
        else 1
    end as weight,
    -- Of 100 over what is known: nobody need say how satisfied he is in the end.
    cast(
        100.0 * (
            case when is_answered_in_limit then complaint_points_answered_limit else 0 end
            + case when is_resolved_in_limit then complaint_points_resolved_limit else 0 end
            + case when is_satisfied then complaint_points_satisfied_limit else 0 end
        ) / (
            complaint_points_answered_limit
            + complaint_points_resolved_limit
            + case when final_rating is not null then complaint_points_satisfied_limit else 0 end
        ) as decimal(12, 6)
    ) as handling_points
from timed
