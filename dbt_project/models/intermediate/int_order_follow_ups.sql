-- One row per order that is a further visit of an earlier one: it goes on with an order whose last visit
-- needed parts. It is no repeat of it (handbook 3, Repeat). What goes on with a follow-up order goes on with
-- the order before it, too; three orders tell all a chain of any length can: that is more than one further visit.
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
),

linked as (
    select
        orders.order_id,
        orders.follow_up_of
    from orders
    inner join last_visits
        on last_visits.order_id = orders.follow_up_of
        and last_visits.nearness = 1
        and last_visits.outcome = 'parts_needed'
    where orders.is_order and orders.status <> 'cancelled' and orders.order_id <> orders.follow_up_of
)

select
    linked.order_id,
    coalesce(earlier.follow_up_of, linked.follow_up_of) as follows_order_id
from linked
left join linked as earlier on earlier.order_id = linked.follow_up_of
