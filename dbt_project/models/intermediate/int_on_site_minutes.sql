-- One row per completed order whose time on site is known: the union of its visits up to final
-- completion, less the excused pauses in it, in minutes (handbook 3, duration_index).
with
orders as (
    select * from {{ ref('int_order_endings') }} where completed_at is not null and not is_added
),

stays as (
    select visits.order_id, visits.arrived_at as started_at, visits.left_at as ended_at
    from {{ ref('int_order_visits') }} as visits
    inner join orders on orders.order_id = visits.order_id
    where
        visits.is_credited
        and visits.left_at > visits.arrived_at
        and visits.arrived_at <= orders.completed_at

    union all

    -- The one implied visit of an order without visit rows; a remote fix has none (handbook 2.6).
    select order_id, arrived_at as started_at, completed_at as ended_at
    from orders
    where not has_visits and arrived_at < completed_at and coalesce(resolution, '') <> 'remote_fix'
),

{{ merged_stretches('stays') }},

paused as (
    select
        merged.order_id,
        sum({{ seconds_between(
            'greatest(pauses.started_at, merged.started_at)', 'least(pauses.ended_at, merged.ended_at)'
        ) }}) as seconds
    from merged
    inner join {{ ref('int_order_pauses') }} as pauses
        on pauses.order_id = merged.order_id
        and pauses.started_at < merged.ended_at
        and pauses.ended_at > merged.started_at
    group by merged.order_id
),

stayed as (
    select order_id, sum({{ seconds_between('started_at', 'ended_at') }}) as seconds
    from merged
    group by order_id
)

select
    stayed.order_id,
    cast((stayed.seconds - coalesce(paused.seconds, 0)) / 60 as decimal(18, 6)) as minutes
from stayed
left join paused on paused.order_id = stayed.order_id
