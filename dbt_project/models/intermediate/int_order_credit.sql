-- One row per order that ended and technician who has a share in it; an order's shares add up to 1.
-- By on-site minutes of its visits up to the end, else all to the accountable technician; shares hold six
-- decimals and he takes the rest (handbook 2.5 and 5.1).
with
ended as (
    select
        order_id,
        accountable_technician_id,
        coalesce(final_completed_at, cancelled_at) as ended_at
    from {{ ref('int_orders') }}
    where coalesce(final_completed_at, cancelled_at) is not null
),

on_site as (
    select
        ended.order_id,
        visits.technician_id,
        sum({{ seconds_between('visits.arrived_at', 'visits.left_at') }}) as seconds
    from ended
    inner join {{ ref('int_order_visits') }} as visits on visits.order_id = ended.order_id
    where visits.is_credited and visits.left_at > visits.arrived_at and visits.arrived_at <= ended.ended_at
    group by ended.order_id, visits.technician_id
),

weighed as (
    select
        on_site.order_id,
        on_site.technician_id,
        {{ ratio('on_site.seconds', 'sum(on_site.seconds) over (partition by on_site.order_id)', 6) }} as share,
        -- Where nobody is accountable who was there longest takes the rest.
        coalesce(
            ended.accountable_technician_id,
            first_value(on_site.technician_id) over (
                partition by on_site.order_id
                order by on_site.seconds desc, {{ key_order('on_site.technician_id') }}
            )
        ) as rest_technician_id
    from on_site
    inner join ended on ended.order_id = on_site.order_id
),

others as (
    select * from weighed where technician_id <> rest_technician_id and share > 0
),

rests as (
    select distinct order_id, rest_technician_id from weighed
),

shared as (
    select order_id, technician_id, share from others

    union all

    select
        rests.order_id,
        rests.rest_technician_id as technician_id,
        1 - coalesce(sum(others.share), 0) as share
    from rests
    left join others on others.order_id = rests.order_id
    group by rests.order_id, rests.rest_technician_id

    union all

    select ended.order_id, ended.accountable_technician_id as technician_id, 1 as share
    from ended
    left join rests on rests.order_id = ended.order_id
    where rests.order_id is null
)

select
    order_id,
    technician_id,
    cast(share as decimal(9, 6)) as share
from shared
where share > 0
