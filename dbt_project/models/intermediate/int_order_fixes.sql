-- One row per order that was ever completed: how many visits it took, and whether a further one is excused.
-- Excused is one further visit for a part that was not to be had: the first visit says so, with the
-- diagnosis written down, and a parts-owned pause that counts or a parts line shows the want; where neither
-- feed existed yet the visit's word is enough (handbook 3, first_time_fix).
with
orders as (
    select * from {{ ref('int_orders') }} where first_completed_at is not null
),

visits as (
    select * from {{ ref('int_order_visits') }} where is_effective
),

-- What comes after a reopening moves nothing; an order that still goes on has had all its visits so far.
own as (
    select
        order_id,
        nullif(count(*) filter (where is_before_completion or first_completed_at is null), 0) as visit_count
    from visits
    group by order_id
),

further as (
    select
        follow_ups.follows_order_id as order_id,
        -- Without a visit of its own a follow-up order is the one visit it implies.
        sum(coalesce(own.visit_count, 1)) as visit_count
    from {{ ref('int_order_follow_ups') }} as follow_ups
    left join own on own.order_id = follow_ups.order_id
    group by follow_ups.follows_order_id
),

wants as (
    select order_id from {{ ref('int_pauses') }} where owner = 'parts' and reason_code is null
    union
    select order_id from {{ ref('stg_parts') }}
),

wanted as (
    select order_id from wants
    union
    select follow_ups.follows_order_id as order_id
    from {{ ref('int_order_follow_ups') }} as follow_ups
    inner join wants on wants.order_id = follow_ups.order_id
),

feeds as (
    select min(counts_from) as counts_from from {{ ref('int_feeds') }} where feed in ('pauses', 'parts')
),

counted as (
    select
        orders.order_id,
        coalesce(own.visit_count, 1) + coalesce(further.visit_count, 0) as visit_count,
        first_visits.technician_id as first_technician_id,
        coalesce(
            first_visits.outcome = 'parts_needed'
            and first_visits.diagnosis_recorded
            and (
                wanted.order_id is not null
                or feeds.counts_from is null
                or {{ local_date('orders.first_completed_at', 'orders.time_zone') }} < feeds.counts_from
            ),
            false
        ) as wants_part
    from orders
    cross join feeds
    left join own on own.order_id = orders.order_id
    left join further on further.order_id = orders.order_id
    left join visits as first_visits
        on first_visits.order_id = orders.order_id
        and first_visits.visit_no = 1
        and first_visits.is_before_completion
    left join wanted on wanted.order_id = orders.order_id
)

select
    order_id,
    visit_count,
    first_technician_id,
    visit_count = 2 and wants_part as is_excused
from counted
