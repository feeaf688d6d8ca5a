-- One row per visit row of an order: whether it is a visit in the sense of the KPIs, and which one.
-- A visit is a lead's row with an outcome other than no_access (handbook 2.6); an assistant only
-- shares its credit. An order without visit rows has one implied visit, which is not listed here.
with
visits as (
    select * from {{ ref('stg_visits') }}
),

completions as (
    select * from {{ ref('int_order_completions') }}
),

judged as (
    select
        visits.visit_id,
        visits.order_id,
        visits.technician_id,
        visits.role,
        visits.departed_at,
        visits.arrived_at,
        visits.left_at,
        visits.outcome,
        coalesce(visits.diagnosis_recorded, false) as diagnosis_recorded,
        coalesce(visits.arrived_at, visits.slot_start, visits.updated_at) as visited_at,
        completions.first_completed_at,
        completions.reopened_at,
        coalesce(visits.role = 'lead' and visits.outcome <> 'no_access', false) as is_effective,
        coalesce(visits.outcome <> 'no_access', visits.role = 'assistant') as is_credited
    from visits
    left join completions on completions.order_id = visits.order_id
)

select
    judged.*,
    coalesce(visited_at <= first_completed_at, false) as is_before_completion,
    case
        when is_effective
            then row_number() over (
                    partition by order_id, is_effective
                    order by visited_at, {{ key_order('visit_id') }}
                )
    end as visit_no
from judged
