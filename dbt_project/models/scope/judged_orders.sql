-- One row per order whose records are computed right this night: the touched ones and, in the first night of
-- a month, those its benchmark is made of.
with
touched as (
    select * from {{ ref('touched_orders') }}
),

new_periods as (
    select periods.period_month, periods.benchmark_months_limit
    from {{ ref('int_periods') }} as periods
    left join {{ source('published', 'dim_periods') }} as published
        on published.period_month = periods.period_month
    where published.period_month is null
)

select order_id from touched
union
select events.order_id
from new_periods
inner join {{ source('published', 'fct_kpi_events') }} as events
    on events.business_date >= new_periods.period_month - new_periods.benchmark_months_limit * interval '1' month
    and events.business_date < new_periods.period_month
where events.order_id is not null
