-- One row per stretch of time in which an order's clock is excused to stand still; merged, in order.
-- The time before assigned_at is a company pause; not assigned by the night, it runs to the night, at most
-- as long as policy lets an open pause run (handbook 2.3).
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

owners as (
    select * from {{ ref('excused_pause_owners') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

waits as (
    select
        orders.order_id,
        orders.reported_on,
        'company' as owner,
        orders.reported_at as started_at,
        case
            when orders.assigned_at <= night.as_of then orders.assigned_at
            else least(
                    night.as_of,
                    coalesce(orders.cancelled_at, night.as_of),
                    orders.reported_at + limits.open_pause_limit * interval '1' day
                )
        end as ended_at
    from orders
    cross join night
    inner join limits on limits.day = orders.reported_on
    -- A feed that never says when it assigns, yet names who did the work, tells of no wait.
    where
        orders.assigned_at is not null
        or (orders.technician_id is null and orders.first_completed_at is null)
),

excused as (
    select waits.order_id, waits.started_at, waits.ended_at
    from waits
    inner join owners on owners.owner = waits.owner and {{ in_force('owners', 'waits.reported_on') }}
    where waits.ended_at > waits.started_at

    union all

    select pauses.order_id, greatest(pauses.started_at, orders.reported_at) as started_at, pauses.ended_at
    from {{ ref('int_pauses') }} as pauses
    inner join orders on orders.order_id = pauses.order_id
    where pauses.reason_code is null and pauses.ended_at > orders.reported_at
),

{{ merged_stretches('excused') }}

select
    order_id,
    stretch_no,
    started_at,
    ended_at,
    coalesce(sum(ended_at - started_at) over (
        partition by order_id
        order by stretch_no
        rows between unbounded preceding and 1 preceding
    ), interval '0' second) as paused_before
from merged
