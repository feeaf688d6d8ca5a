-- One row per completed order and technician with a share in it: his share of the cost of the parts used.
-- The denominator, his share of an order, becomes the benchmark cost per order of its stratum. An order
-- that took no part cost nothing. Counts for the day of final completion.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

credit as (
    select * from {{ ref('int_order_credit') }}
),

used as (
    select order_id, sum(quantity_used * unit_cost) as cost
    from {{ ref('stg_parts') }}
    group by order_id
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        credit.technician_id,
        coalesce(orders.final_completed_at, orders.cancelled_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.final_completed_at, orders.cancelled_at)', 'orders.time_zone'
        ) }} as business_date,
        coalesce(orders.final_completed_at, orders.cancelled_at) as matures_at,
        case
            when exclusions.case_code is not null then orders.case_code
            when credit.technician_id is null then 'technician_unknown'
        end as exclusion,
        cast(null as varchar) as failure,
        credit.share,
        coalesce(used.cost, 0) as cost
    from orders
    inner join credit on credit.order_id = orders.order_id
    left join used on used.order_id = orders.order_id
    {{ join_exclusions('parts_cost_index') }}
)

select
    'parts_cost_index' as kpi_code,
    'work_orders' as feed,
    concat_ws('/', order_id, technician_id) as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    share * cost as numerator,
    share as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
