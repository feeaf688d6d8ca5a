-- One row per stretch of time in which an order's clock is excused to stand still; merged, in order.
-- The time before assigned_at is a company pause; unassigned, it runs to the night, at most as long as
-- policy lets an open pause run (handbook 2.3).
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

pauses as (
    select
        orders.order_id,
        orders.reported_on,
        'company' as owner,
        orders.reported_at as started_at,
        coalesce(
            orders.assigned_at,
            least(
                night.as_of,
                coalesce(orders.cancelled_at, night.as_of),
                orders.reported_at + limits.open_pause_limit * interval '1' day
            )
        ) as ended_at
    from orders
    cross join night
    inner join limits on limits.day = orders.reported_on
    -- A feed that never says when it assigns, yet names who did the work, tells of no wait.
    where
        orders.assigned_at is not null
        or (orders.technician_id is null and orders.first_completed_at is null)
),

excused as (
    select pauses.*
    from pauses
    inner join owners on owners.owner = pauses.owner and {{ in_force('owners', 'pauses.reported_on') }}
    where pauses.ended_at > pauses.started_at
),

-- Overlapping pauses count once: a pause opens a new stretch when it starts after all earlier ones ended.
marked as (
    select
        order_id,
        started_at,
        ended_at,
        case
            when started_at <= max(ended_at)
                    over (
                        partition by order_id
                        order by started_at, ended_at
                        rows between unbounded preceding and 1 preceding
                    )
                then 0
            else 1
        end as opens_stretch
    from excused
),

stretched as (
    select
        order_id,
        started_at,
        ended_at,
        sum(opens_stretch) over (
            partition by order_id
            order by started_at, ended_at
            rows between unbounded preceding and current row
        ) as stretch_no
    from marked
),

merged as (
    select
        order_id,
        stretch_no,
        min(started_at) as started_at,
        max(ended_at) as ended_at
    from stretched
    group by order_id, stretch_no
)

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
