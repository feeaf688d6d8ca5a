-- One row per repair that ended: net minutes from report to first completion.
-- Counts for the day of first completion (cancelled: of cancellation), for the accountable technician.
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
        coalesce(orders.first_completed_at, orders.cancelled_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.first_completed_at, orders.cancelled_at)', 'orders.time_zone'
        ) }} as business_date,
        coalesce(orders.first_completed_at, orders.cancelled_at) as matures_at,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when orders.service_type is null then 'service_type_unknown'
            when orders.accountable_technician_id is null then 'technician_unknown'
            when clocks.gross_minutes < 0 then 'completed_before_report'
        end as exclusion,
        cast(null as varchar) as failure,
        cast(coalesce(clocks.net_minutes, 0) as decimal(18, 6)) as numerator
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    {{ join_exclusions('mttr_mean', case_code='first_case_code') }}
    where
        coalesce(orders.service_type, 'repair') = 'repair'
        and coalesce(orders.first_completed_at, orders.cancelled_at) is not null
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
