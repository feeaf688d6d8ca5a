-- One row per stretch of an order to be measured in working time; `sign` is -1 for the pauses taken out,
-- each clipped to the stretch it is taken out of.
with
orders as (
    select * from {{ ref('int_orders') }}
),

pauses as (
    select * from {{ ref('int_order_pauses') }}
),

responses as (
    -- Never accepted: to arrival.
    select
        order_id,
        calendar_id,
        time_zone,
        reported_at as started_at,
        coalesce(accepted_at, arrived_at) as ended_at
    from orders
    where coalesce(accepted_at, arrived_at) >= reported_at
)

select
    order_id,
    'response' as clock,
    calendar_id,
    time_zone,
    1 as sign,
    started_at,
    ended_at
from responses

union all

select
    responses.order_id,
    'response' as clock,
    responses.calendar_id,
    responses.time_zone,
    -1 as sign,
    greatest(pauses.started_at, responses.started_at) as started_at,
    least(pauses.ended_at, responses.ended_at) as ended_at
from responses
inner join pauses
    on pauses.order_id = responses.order_id
    and pauses.started_at < responses.ended_at
    and pauses.ended_at > responses.started_at
