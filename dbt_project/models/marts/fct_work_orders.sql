-- One row per order.
with
orders as (
    select * from {{ ref('int_orders') }}
),

clocks as (
    select * from {{ ref('int_order_clocks') }}
),

on_time as (
    select * from {{ ref('kpi_on_time_24h') }}
),

repeats as (
    select * from {{ ref('int_order_repeats') }}
)

select
    orders.order_id,
    orders.technician_id,
    orders.accountable_technician_id,
    orders.area_id,
    orders.status,
    orders.service_type,
    orders.appliance_category,
    orders.fault_code,
    orders.fault_family,
    orders.resolution,
    orders.case_code,
    cast(
        {{ local_time(
            'coalesce(orders.first_completed_at, orders.cancelled_at, orders.reported_at)', 'orders.time_zone'
        ) }} as date
    ) as business_date,
    orders.reported_at,
    {{ local_time('orders.reported_at', 'orders.time_zone') }} as reported_at_local,
    orders.accepted_at,
    orders.arrived_at,
    clocks.due_at,
    orders.first_completed_at,
    {{ local_time('orders.first_completed_at', 'orders.time_zone') }} as first_completed_at_local,
    orders.final_completed_at,
    orders.cancelled_at,
    orders.cancel_cause,
    cast(clocks.gross_minutes as decimal(18, 6)) as gross_minutes,
    cast(clocks.net_minutes as decimal(18, 6)) as net_minutes,
    orders.first_completed_at is not null as is_completed,
    case when on_time.eligible and on_time.mature then on_time.numerator = 1 end as is_on_time,
    orders.reopened_at is not null as is_reopened,
    repeats.repeated_order_id as repeats_order_id,
    coalesce(repeats.is_within_short_window, false) as is_repeat_7d
from orders
inner join clocks on clocks.order_id = orders.order_id
inner join on_time on on_time.order_id = orders.order_id
left join repeats on repeats.order_id = orders.order_id
{%- if is_night() %}
where orders.order_id in (select touched.order_id from {{ ref('touched_orders') }} as touched)
{%- endif %}
