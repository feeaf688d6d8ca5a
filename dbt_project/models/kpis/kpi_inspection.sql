-- One row per inspected item: the points it earned of those it could.
-- Counts for the day of the order's final completion, for its accountable technician; a late reopening
-- moves it to no other day (handbook 2.11).
with
night as (
    select * from {{ ref('stg_night') }}
),

inspections as (
    select * from {{ ref('stg_inspections') }}
),

orders as (
    select
        orders.order_id,
        orders.stratum,
        orders.accountable_technician_id,
        orders.time_zone,
        orders.reported_on,
        endings.completed_at,
        coalesce(endings.case_code, orders.case_code) as case_code
    from {{ ref('int_orders') }} as orders
    left join {{ ref('int_order_endings') }} as endings
        on endings.order_id = orders.order_id and not endings.is_added
),

judged as (
    select
        inspections.inspection_id,
        inspections.order_id,
        orders.stratum,
        orders.accountable_technician_id as technician_id,
        coalesce(orders.completed_at, inspections.inspected_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.completed_at, inspections.inspected_at)',
            "coalesce(orders.time_zone, night.time_zone)"
        ) }} as business_date,
        greatest(orders.completed_at, inspections.inspected_at) as matures_at,
        case
            when orders.order_id is null then 'order_unknown'
            when exclusions.case_code is not null then orders.case_code
            when orders.completed_at is null then 'order_not_completed'
            when inspections.points_possible = 0 then 'nothing_to_earn'
            when inspections.points_earned > inspections.points_possible then 'more_than_possible'
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion,
        case
            when inspections.points_earned < inspections.points_possible then inspections.item
        end as failure,
        inspections.points_earned as numerator,
        inspections.points_possible as denominator,
        inspections.evidence_ref
    from inspections
    cross join night
    left join orders on orders.order_id = inspections.order_id
    {{ join_exclusions('inspection') }}
)

select
    'inspection' as kpi_code,
    'inspections' as feed,
    inspection_id as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    denominator,
    stratum,
    evidence_ref
from judged
cross join night
