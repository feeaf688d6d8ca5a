-- One row per order: was it first completed within the on-time limit by the wall clock?
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

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.first_completed_at,
        clocks.gross_due_technician_id as technician_id,
        clocks.gross_due_at as anchored_at,
        {{ local_date('clocks.gross_due_at', 'orders.time_zone') }} as business_date,
        least(clocks.gross_due_at, orders.first_completed_at) as matures_at,
        coalesce(orders.first_completed_at <= clocks.gross_due_at, false) as is_in_time,
        case
            when
                exclusions.case_code is not null
                and (not orders.is_order or coalesce(orders.cancelled_at <= clocks.gross_due_at, true))
                then orders.case_code
            when orders.is_completion_unknown and orders.first_completed_at is null then 'completion_time_unknown'
            when orders.first_completed_at < orders.reported_at then 'completed_before_report'
            when clocks.gross_due_technician_id is null then 'technician_unknown'
        end as exclusion
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    {{ join_exclusions('on_time_24h_gross') }}
),

verdicts as (
    select
        judged.*,
        case
            when is_in_time then null
            when first_completed_at is null then 'open_past_due'
            else 'completed_late'
        end as failure
    from judged
)

select
    'on_time_24h_gross' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_in_time then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from verdicts
cross join night
