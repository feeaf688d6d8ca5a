-- One row per repair that was ever completed: net minutes from report to first completion.
-- Counts for the day of first completion, for the accountable technician.
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
        orders.accountable_technician_id as technician_id,
        orders.first_completed_at as anchored_at,
        {{ local_date('orders.first_completed_at', 'orders.time_zone') }} as business_date,
        orders.first_completed_at as matures_at,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when orders.accountable_technician_id is null then 'technician_unknown'
            when clocks.gross_minutes < 0 then 'completed_before_report'
        end as exclusion,
        cast(null as varchar) as failure,
        clocks.net_minutes as numerator
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    {{ join_exclusions('mttr_mean', case_code='first_case_code') }}
    where orders.service_type = 'repair' and orders.first_completed_at is not null
)

select
    'mttr_mean' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
