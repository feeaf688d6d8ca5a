-- One row per end of an order's work and technician who has a share in it; its shares add up to 1.
-- By on-site minutes of its visits up to that end (of added work: since the end that counts), else all to
-- the accountable technician; shares hold six decimals and he takes the rest, or whoever was there longest
-- if he was not (handbook 2.5 and 5.1).
with
endings as (
    select * from {{ ref('int_order_endings') }}
),

on_site as (
    select
        endings.order_id,
        endings.is_added,
        visits.technician_id,
        sum({{ seconds_between('visits.arrived_at', 'visits.left_at') }}) as seconds
    from endings
    inner join {{ ref('int_order_visits') }} as visits on visits.order_id = endings.order_id
    where
        visits.is_credited
        and visits.left_at > visits.arrived_at
        and visits.arrived_at <= endings.ended_at
        and (not endings.is_added or visits.arrived_at > endings.completed_at)
    group by endings.order_id, endings.is_added, visits.technician_id
),

weighed as (
    select
        on_site.order_id,
        on_site.is_added,
        on_site.technician_id,
        {{ ratio(
            'on_site.seconds', 'sum(on_site.seconds) over (partition by on_site.order_id, on_site.is_added)', 6
        ) }} as share,
        coalesce(
            max(
                case when on_site.technician_id = endings.accountable_technician_id then on_site.technician_id end
            ) over (partition by on_site.order_id, on_site.is_added),
            first_value(on_site.technician_id) over (
                partition by on_site.order_id, on_site.is_added
                order by on_site.seconds desc, {{ key_order('on_site.technician_id') }}
            )
        ) as rest_technician_id
    from on_site
    inner join endings on endings.order_id = on_site.order_id and endings.is_added = on_site.is_added
),

others as (
    select * from weighed where technician_id <> rest_technician_id and share > 0
),

rests as (
    select distinct order_id, is_added, rest_technician_id from weighed
),

shared as (
    select order_id, is_added, technician_id, share from others

    union all

    select
        rests.order_id,
        rests.is_added,
        rests.rest_technician_id as technician_id,
        1 - coalesce(sum(others.share), 0) as share
    from rests
    left join others on others.order_id = rests.order_id and others.is_added = rests.is_added
    group by rests.order_id, rests.is_added, rests.rest_technician_id

    union all

    select endings.order_id, endings.is_added, endings.accountable_technician_id as technician_id, 1 as share
    from endings
    left join rests on rests.order_id = endings.order_id and rests.is_added = endings.is_added
    where rests.order_id is null
)

select
    order_id,
    is_added,
    technician_id,
    cast(share as decimal(9, 6)) as share
from shared
where share > 0
