-- One row per order: was it completed by the moment it turned seven days old?
-- Counts for that day, for who held the order then.
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
        clocks.aged_technician_id as technician_id,
        clocks.aged_at as anchored_at,
        clocks.aged_at as matures_at,
        clocks.aged_on as business_date,
        case
            when
                exclusions.case_code is not null
                and (not orders.is_order or coalesce(orders.cancelled_at <= clocks.aged_at, true))
                then orders.case_code
            when orders.is_completion_unknown and orders.first_completed_at is null then 'completion_time_unknown'
            when clocks.aged_technician_id is null then 'technician_unknown'
        end as exclusion,
        coalesce(orders.first_completed_at <= clocks.aged_at, false) as is_completed
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    {{ join_exclusions('completion') }}
),

verdicts as (
    select
        judged.*,
        case when not is_completed then 'not_completed' end as failure
    from judged
)

select
    'completion' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_completed then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from verdicts
cross join night
