-- One row per order of which something is new since the night published last: a record of it in any feed,
-- or what mere time makes of it. A rebuild has none; all orders are looked at then.
with
night as (
    select * from {{ ref('stg_night') }}
),

limits as (
    select max(value) as open_pause_days from {{ ref('limits') }} where limit_code = 'open_pause'
),

new_periods as (
    select min(periods.period_month) as period_month
    from {{ ref('int_periods') }} as periods
    left join {{ source('published', 'dim_periods') }} as published
        on published.period_month = periods.period_month
    where published.period_month is null
),

changed as (
    {% for feed in ['work_orders', 'surveys', 'visits', 'pauses', 'complaints', 'inspections', 'parts', 'expenses'] -%}
    {{ ever_said(feed, 'order_id') }}

    union
    {% endfor %}
    -- A verdict that was still open and is not any more.
    select events.order_id
    from {{ source('published', 'fct_kpi_events') }} as events
    inner join night on events.next_change_at <= night.as_of

    union

    -- What counts for a month that had not begun had no benchmark yet.
    select events.order_id
    from {{ source('published', 'fct_kpi_events') }} as events
    inner join new_periods on events.business_date >= new_periods.period_month

    union

    -- A pause that was open, or ends ahead, reaches further with every night.
    select pauses.order_id
    from {{ source('published', 'fct_pauses') }} as pauses
    inner join night on pauses.ended_at >= night.since_as_of

    union

    select pauses.order_id
    from {{ ref('stg_pauses_history') }} as pauses
    inner join night on pauses.ended_at > night.since_as_of

    union

    -- What a version says ahead of its night comes to pass.
    select orders.order_id
    from {{ ref('stg_work_orders_history') }} as orders
    inner join night
        on greatest(
            orders.assigned_at, orders.accepted_at, orders.arrived_at, orders.completed_at, orders.cancelled_at
        ) > night.since_as_of

    union

    -- The wait for somebody to take the order is an open pause, too.
    select orders.order_id
    from {{ ref('stg_work_orders_history') }} as orders
    cross join limits
    inner join night on orders.reported_at >= night.since_as_of - limits.open_pause_days * interval '1' day
    where orders.is_current and orders.technician_id is null
)

select order_id
from changed
where order_id is not null
