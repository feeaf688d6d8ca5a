-- One row per order completed or complained of: a valid complaint for which nobody had to come again?
-- The records are those of complaint_rate. Nobody came again when the order was not reopened and had no
-- visit, no follow-up visit and no repeat after the complaint came in.
with
rate as (
    select * from {{ ref('kpi_complaint_rate') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

complaints as (
    select * from {{ ref('int_complaints') }} where exclusion is null
),

visits as (
    select order_id, visited_at as came_at from {{ ref('int_order_visits') }} where is_effective
),

returns as (
    select * from visits
    union all
    select follow_ups.follows_order_id as order_id, visits.came_at
    from {{ ref('int_order_follow_ups') }} as follow_ups
    inner join visits on visits.order_id = follow_ups.order_id
    union all
    select repeated_order_id as order_id, reported_at as came_at
    from {{ ref('int_order_repeats') }}
    where is_within_short_window
    union all
    select order_id, reopened_at as came_at from orders where reopened_at is not null
),

last_returns as (
    select order_id, max(came_at) as came_at
    from returns
    group by order_id
),

minor as (
    select distinct complaints.order_id
    from complaints
    left join last_returns on last_returns.order_id = complaints.order_id
    where last_returns.came_at is null or last_returns.came_at <= complaints.received_at
)

{{ same_records(
    'minor_faults', of='rate',
    numerator='case when minor.order_id is not null then 1 else 0 end',
    failure="case when minor.order_id is not null then 'minor_fault' end"
) }}
left join minor on minor.order_id = events.order_id
