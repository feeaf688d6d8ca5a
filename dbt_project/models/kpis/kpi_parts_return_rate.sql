-- One row per parts line: of what was taken and not used, how much was brought back?
-- Counts for the day of the order's final completion, for who took the parts.
with
night as (
    select * from {{ ref('stg_night') }}
),

-- A line is of the work during which it was first written.
parts as (
    select
        parts.*,
        first_versions.updated_at as written_at
    from {{ ref('stg_parts') }} as parts
    inner join {{ ref('stg_parts_versions') }} as first_versions
        on first_versions.part_line_id = parts.part_line_id and first_versions.version_no = 1
),

orders as (
    select * from {{ ref('int_orders') }}
),

endings as (
    select * from {{ ref('int_order_endings') }}
),

placed as (
    select
        parts.*,
        orders.order_id is not null as has_order,
        orders.stratum,
        orders.reported_on,
        coalesce(endings.case_code, orders.case_code) as case_code,
        coalesce(endings.ended_at, parts.updated_at) as anchored_at,
        coalesce(
            endings.ended_on,
            {{ local_date('parts.updated_at', 'coalesce(orders.time_zone, night.time_zone)') }}
        ) as business_date,
        -- Before the order has ended parts may still be on their way back.
        case when orders.order_id is null then parts.updated_at else endings.ended_at end as matures_at
    from parts
    cross join night
    left join orders on orders.order_id = parts.order_id
    left join endings
        on endings.order_id = parts.order_id
        and endings.is_added = coalesce(parts.written_at >= endings.added_from, false)
),

judged as (
    select
        placed.part_line_id,
        placed.order_id,
        placed.technician_id,
        placed.stratum,
        placed.anchored_at,
        placed.business_date,
        placed.matures_at,
        case
            when not placed.has_order then 'order_unknown'
            when exclusions.case_code is not null then placed.case_code
            when placed.quantity_taken <= placed.quantity_used then 'nothing_left'
            when placed.quantity_returned is null then 'return_unknown'
        end as exclusion,
        case
            when placed.quantity_returned < placed.quantity_taken - placed.quantity_used
                then 'not_brought_back'
        end as failure,
        coalesce(placed.quantity_returned, 0) as numerator,
        placed.quantity_taken - placed.quantity_used as denominator
    from placed
    {{ join_exclusions('parts_return_rate', 'placed') }}
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
