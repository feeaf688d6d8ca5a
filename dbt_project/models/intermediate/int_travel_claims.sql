-- One row per travel claim and order it is spent on; claims that reach no order have one row without order.
-- A claim of a trip is divided equally over the orders its claimant visited that day; shares hold six
-- decimals and the first order takes the rest (handbook 3 and 5.1).
with
expenses as (
    select * from {{ ref('stg_expenses') }} where kind = 'travel'
),

orders as (
    select * from {{ ref('int_orders') }} where is_order
),

visits as (
    select
        visits.order_id,
        visits.technician_id,
        {{ local_date('visits.visited_at', 'orders.time_zone') }} as visited_on
    from {{ ref('int_order_visits') }} as visits
    inner join orders on orders.order_id = visits.order_id
    where visits.is_credited

    union

    -- Without visit rows an order has one implied visit: its technician, at arrival (handbook 2.6).
    select
        order_id,
        accountable_technician_id as technician_id,
        {{ local_date('coalesce(arrived_at, first_completed_at)', 'time_zone') }} as visited_on
    from orders
    where
        not has_visits
        and coalesce(arrived_at, first_completed_at) is not null
        and coalesce(resolution, '') <> 'remote_fix'
),

reached as (
    select expenses.*, visits.order_id as spent_on_order_id
    from expenses
    left join visits
        on visits.technician_id = expenses.technician_id and visits.visited_on = expenses.incurred_on
    where expenses.trip_id is not null

    union all

    select expenses.*, orders.order_id as spent_on_order_id
    from expenses
    left join orders on orders.order_id = expenses.order_id
    where expenses.trip_id is null
),

counted as (
    select
        reached.*,
        count(*) over (partition by expense_id) as order_count,
        row_number() over (partition by expense_id order by {{ key_order('spent_on_order_id') }}) as order_no
    from reached
)

select
    expense_id,
    technician_id,
    status,
    incurred_on,
    updated_at,
    spent_on_order_id as order_id,
    cast(
        case
            when order_no = 1
                then amount - {{ ratio('amount', 'order_count', 6) }} * (order_count - 1)
            else {{ ratio('amount', 'order_count', 6) }}
        end as decimal(20, 6)
    ) as amount
from counted
