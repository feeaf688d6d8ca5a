-- One row per order that ended and technician with a share in it, and one per technician and available day.
-- The numerator is his share of the net minutes on site, the denominator the minutes he was available.
-- Counts for the day of final completion (cancelled: of cancellation), and for the day itself.
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

on_site as (
    select * from {{ ref('int_on_site_minutes') }}
),

days as (
    select * from {{ ref('int_available_days') }}
),

jobs as (
    select
        orders.order_id,
        orders.stratum,
        credit.technician_id,
        orders.ended_at as anchored_at,
        orders.ended_on as business_date,
        case
            when exclusions.case_code is not null then orders.case_code
            when credit.technician_id is null then 'technician_unknown'
            when coalesce(on_site.minutes, 0) <= 0 then 'duration_unknown'
        end as exclusion,
        cast(coalesce(credit.share * on_site.minutes, 0) as decimal(20, 6)) as minutes
    from orders
    inner join credit on credit.order_id = orders.order_id
    left join on_site on on_site.order_id = orders.order_id
    {{ join_exclusions('utilisation') }}
),

records as (
    select
        'work_orders' as feed,
        concat_ws('/', order_id, technician_id) as record_key,
        order_id,
        technician_id,
        business_date,
        anchored_at,
        anchored_at as matures_at,
        exclusion,
        cast(null as varchar) as failure,
        minutes as numerator,
        cast(0 as decimal(20, 6)) as denominator,
        stratum
    from jobs

    union all

    select
        'roster' as feed,
        concat_ws('/', technician_id, cast(day as varchar)) as record_key,
        null as order_id,
        technician_id,
        day as business_date,
        cast(day as timestamp) as anchored_at,
        cast(day as timestamp) as matures_at,
        null as exclusion,
        null as failure,
        0 as numerator,
        available_minutes as denominator,
        null as stratum
    from days
)

select
    'utilisation' as kpi_code,
    feed,
    record_key,
    order_id,
    technician_id,
    records.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from records
cross join night
