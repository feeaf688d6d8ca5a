-- One row per order that is a further visit of an earlier one: it goes on with an order whose last visit
-- needed parts. It is no repeat of it (handbook 3, Repeat).
with
orders as (
    select * from {{ ref('int_orders') }}
),

visits as (
    select * from {{ ref('int_order_visits') }} where is_effective
),

last_visits as (
    select
        order_id,
        outcome,
        row_number() over (partition by order_id order by visit_no desc) as nearness
    from visits
    where is_before_completion or first_completed_at is null
)

select
    orders.order_id,
    orders.follow_up_of as follows_order_id
from orders
inner join last_visits
    on last_visits.order_id = orders.follow_up_of
    and last_visits.nearness = 1
    and last_visits.outcome = 'parts_needed'
where orders.is_order and orders.status <> 'cancelled' and orders.order_id <> orders.follow_up_of
