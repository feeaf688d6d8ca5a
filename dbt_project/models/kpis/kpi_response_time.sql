-- One row per order: net business minutes from report to acceptance (never accepted: to arrival).
-- Counts for the day of acceptance, for who accepted (never accepted: who held it on arrival).
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

clocks as (
    select * from {{ ref('int_order_clocks') }}
),

business_minutes as (
    select * from {{ ref('int_business_minutes') }} where clock = 'response'
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        clocks.accepting_technician_id as technician_id,
        coalesce(orders.accepted_at, orders.arrived_at, orders.reported_at) as anchored_at,
        orders.time_zone,
        -- Over without either: nothing more is to come.
        coalesce(
            orders.accepted_at,
            orders.arrived_at,
            case
                when orders.status in ('completed', 'cancelled')
                    then coalesce(orders.first_completed_at, orders.cancelled_at, orders.updated_at)
            end
        ) as matures_at,
        cast(null as varchar) as failure,
        business_minutes.minutes,
        case
            when exclusions.case_code is not null then orders.case_code
            when
                coalesce(orders.accepted_at, orders.arrived_at) is null
                and orders.status in ('completed', 'cancelled')
                then 'acceptance_unknown'
            when coalesce(orders.accepted_at, orders.arrived_at) < orders.reported_at then 'accepted_before_report'
            when clocks.accepting_technician_id is null then 'technician_unknown'
            when
                coalesce(orders.accepted_at, orders.arrived_at) is not null
                and business_minutes.minutes is null
                then 'calendar_unknown'
        end as exclusion
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    left join business_minutes on business_minutes.order_id = orders.order_id
    {{ join_exclusions('response_time') }}
)

select
    'response_time' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    {{ local_date('anchored_at', 'judged.time_zone') }} as business_date,
    anchored_at,
    {{ verdict() }},
    coalesce(minutes, 0) as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
