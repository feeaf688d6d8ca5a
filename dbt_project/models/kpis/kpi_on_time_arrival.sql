-- One row per order with a slot the customer agreed to: did somebody arrive by its end?
-- Counts for the day the slot ended, for who held the order at its end or at arrival, whichever came first.
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

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.arrived_at,
        clocks.slot_technician_id as technician_id,
        orders.customer_slot_end as anchored_at,
        {{ local_date('orders.customer_slot_end', 'orders.time_zone') }} as business_date,
        least(orders.customer_slot_end, orders.arrived_at) as matures_at,
        coalesce(orders.arrived_at <= orders.customer_slot_end, false) as is_in_time,
        case
            when
                exclusions.case_code is not null
                and (not orders.is_order or coalesce(orders.cancelled_at <= orders.customer_slot_end, true))
                then orders.case_code
            when
                orders.arrived_at is null
                and orders.first_completed_at is not null
                then 'arrival_unknown'
            when clocks.slot_technician_id is null then 'technician_unknown'
        end as exclusion
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    {{ join_exclusions('on_time_arrival') }}
    where orders.customer_slot_end is not null
),

verdicts as (
    select
        judged.*,
        case
            when is_in_time then null
            when arrived_at is null then 'not_arrived'
            else 'arrived_late'
        end as failure
    from judged
)

select
    'on_time_arrival' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_in_time then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from verdicts
cross join night
