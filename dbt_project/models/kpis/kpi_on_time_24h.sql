-- One row per order: was it first completed within the on-time limit, net of excused pauses?
-- Counts for the day it was due, for who held it when it was due or completed, whichever came first.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

clocks as (
    select * from {{ ref('int_order_clocks') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.first_completed_at,
        clocks.due_technician_id as technician_id,
        clocks.due_at as anchored_at,
        clocks.due_on as business_date,
        least(clocks.due_at, orders.first_completed_at) as matures_at,
        case
            when
                exclusions.case_code is not null
                and (not orders.is_order or coalesce(orders.cancelled_at <= clocks.due_at, true))
                then orders.case_code
            when orders.is_completion_unknown and orders.first_completed_at is null then 'completion_time_unknown'
            when orders.first_completed_at < orders.reported_at then 'completed_before_report'
            when clocks.due_technician_id is null then 'technician_unknown'
        end as exclusion,
        coalesce(orders.first_completed_at <= clocks.due_at, false) as is_in_time,
        -- Where nothing is repaired there is no first-time fix to fail: a reopening breaks the promise here.
        orders.case_code = 'service_without_first_time_fix'
        and coalesce(
            orders.reopened_at <= orders.first_completed_at + limits.repeat_limit * interval '1' day, false
        ) as is_reopened
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    inner join limits on limits.day = orders.reported_on
    {{ join_exclusions('on_time_24h') }}
),

verdicts as (
    select
        judged.*,
        is_in_time and not is_reopened as is_on_time,
        case
            when is_in_time and is_reopened then 'reopened'
            when is_in_time then null
            when first_completed_at is null then 'open_past_due'
            else 'completed_late'
        end as failure
    from judged
)

select
    'on_time_24h' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_on_time then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from verdicts
cross join night
