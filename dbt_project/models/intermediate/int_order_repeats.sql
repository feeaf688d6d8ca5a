-- One row per repair that repeats an earlier order: the nearest order it repeats, within the longest window.
-- Same serial, or customer and category where either serial is missing; same fault family or either
-- unknown; reported after the earlier order's last completion before it (handbook 3, Repeat).
with
orders as (
    select * from {{ ref('int_orders') }} where is_order
),

limits as (
    select * from {{ ref('int_days') }}
),

completions as (
    select order_id, first_completed_at as completed_at from orders where first_completed_at is not null
    union
    select order_id, final_completed_at from orders where final_completed_at is not null
),

earlier as (
    select
        orders.order_id,
        orders.appliance_serial,
        orders.customer_id,
        orders.appliance_category,
        orders.fault_family,
        completions.completed_at,
        limits.repeat_limit,
        limits.repeat_long_limit
    from orders
    inner join completions on completions.order_id = orders.order_id
    -- The earlier order is judged, so its limits hold: those of its report (handbook 4.1).
    inner join limits on limits.day = orders.reported_on
),

later as (
    select orders.*
    from orders
    left join {{ ref('int_order_follow_ups') }} as follow_ups on follow_ups.order_id = orders.order_id
    where
        orders.service_type = 'repair'
        and orders.status <> 'cancelled'
        and follow_ups.order_id is null
),

matched as (
    select
        later.order_id,
        later.reported_at,
        later.fault_family,
        earlier.repeat_limit,
        earlier.repeat_long_limit,
        earlier.order_id as repeated_order_id,
        earlier.fault_family as repeated_fault_family,
        earlier.completed_at as repeated_completed_at
    from later
    inner join earlier on earlier.appliance_serial = later.appliance_serial

    union all

    select
        later.order_id,
        later.reported_at,
        later.fault_family,
        earlier.repeat_limit,
        earlier.repeat_long_limit,
        earlier.order_id as repeated_order_id,
        earlier.fault_family as repeated_fault_family,
        earlier.completed_at as repeated_completed_at
    from later
    inner join earlier
        on earlier.customer_id = later.customer_id
        and earlier.appliance_category = later.appliance_category
    where earlier.appliance_serial is null or later.appliance_serial is null
),

within_window as (
    select
        matched.*,
        row_number() over (
            partition by order_id
            order by repeated_completed_at desc, {{ key_order('repeated_order_id') }}
        ) as nearness
    from matched
    where
        order_id <> repeated_order_id
        and reported_at > repeated_completed_at
        and reported_at <= repeated_completed_at + repeat_long_limit * interval '1' day
        and (
            fault_family = repeated_fault_family
            or fault_family is null
            or repeated_fault_family is null
        )
)

select
    order_id,
    repeated_order_id,
    repeated_completed_at,
    reported_at,
    reported_at <= repeated_completed_at + repeat_limit * interval '1' day as is_within_short_window
from within_window
where nearness = 1
