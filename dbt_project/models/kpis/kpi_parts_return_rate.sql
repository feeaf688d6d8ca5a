-- One row per parts line: of what was taken and not used, how much was brought back?
-- Counts for the day of the order's final completion, for who took the parts.
with
night as (
    select * from {{ ref('stg_night') }}
),

parts as (
    select * from {{ ref('stg_parts') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

judged as (
    select
        parts.part_line_id,
        parts.order_id,
        parts.technician_id,
        orders.stratum,
        coalesce(orders.final_completed_at, orders.cancelled_at, parts.updated_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.final_completed_at, orders.cancelled_at, parts.updated_at)',
            'coalesce(orders.time_zone, night.time_zone)'
        ) }} as business_date,
        -- Before the order has ended parts may still be on their way back.
        coalesce(
            orders.final_completed_at,
            orders.cancelled_at,
            case when orders.order_id is null then parts.updated_at end
        ) as matures_at,
        case
            when orders.order_id is null then 'order_unknown'
            when exclusions.case_code is not null then orders.case_code
            when parts.quantity_taken <= parts.quantity_used then 'nothing_left'
        end as exclusion,
        case
            when coalesce(parts.quantity_returned, 0) < parts.quantity_taken - parts.quantity_used
                then 'not_brought_back'
        end as failure,
        coalesce(parts.quantity_returned, 0) as numerator,
        parts.quantity_taken - parts.quantity_used as denominator
    from parts
    cross join night
    left join orders on orders.order_id = parts.order_id
    {{ join_exclusions('parts_return_rate') }}
)

select
    'parts_return_rate' as kpi_code,
    'parts' as feed,
    part_line_id as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
