-- One row per order that ended and technician with a share in it: his share of the net minutes on site
-- against his share of the standard minutes. The benchmark of the period holds an order's minutes to its
-- stratum's percentiles. Counts for the day of final completion (cancelled: of cancellation).
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_order_endings') }} where not is_added
),

credit as (
    select * from {{ ref('int_order_credit') }} where not is_added
),

standards as (
    select * from {{ ref('int_order_standards') }}
),

on_site as (
    select * from {{ ref('int_on_site_minutes') }}
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        credit.technician_id,
        orders.ended_at as anchored_at,
        orders.ended_on as business_date,
        orders.ended_at as matures_at,
        case
            when exclusions.case_code is not null then orders.case_code
            when credit.technician_id is null then 'technician_unknown'
            when standards.order_id is null then 'standard_unknown'
            when coalesce(on_site.minutes, 0) <= 0 then 'duration_unknown'
        end as exclusion,
        cast(null as varchar) as failure,
        credit.share,
        standards.minutes as standard_minutes,
        on_site.minutes
    from orders
    inner join credit on credit.order_id = orders.order_id
    left join standards on standards.order_id = orders.order_id
    left join on_site on on_site.order_id = orders.order_id
    {{ join_exclusions('duration_index') }}
)

select
    'duration_index' as kpi_code,
    'work_orders' as feed,
    concat_ws('/', order_id, technician_id) as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    cast(coalesce(share * minutes, 0) as decimal(20, 6)) as numerator,
    cast(coalesce(share * standard_minutes, 0) as decimal(20, 6)) as denominator,
    share,
    minutes as quantity,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
