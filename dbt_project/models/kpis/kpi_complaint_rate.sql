-- One row per order completed or complained of: does a valid complaint count against the technician?
-- Of several the heaviest counts; one turned good in time weighs less. Counts for the day of first
-- completion (cancelled: of cancellation; else the due time), for the accountable technician.
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

complaints as (
    select * from {{ ref('int_complaints') }}
),

counting as (
    select
        complaints.*,
        row_number() over (
            partition by order_id
            order by weight desc, received_at, {{ key_order('complaint_id') }}
        ) as weight_rank
    from complaints
    where exclusion is null
),

complained as (
    select
        order_id,
        max(weight) as weight,
        max(complaint_id) filter (where weight_rank = 1) as complaint_id,
        max(handled_by) as handled_by
    from counting
    group by order_id
),

undecided as (
    select distinct order_id from complaints where exclusion = 'undecided'
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.accountable_technician_id as technician_id,
        coalesce(orders.first_completed_at, orders.cancelled_at, clocks.due_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.first_completed_at, orders.cancelled_at, clocks.due_at)', 'orders.time_zone'
        ) }} as business_date,
        -- A complaint nobody decided on waits for a decision, not for time.
        case
            when undecided.order_id is null
                then greatest(
                        coalesce(orders.first_completed_at, orders.cancelled_at, clocks.due_at)
                        + limits.complaint_window_limit * interval '1' day,
                        complained.handled_by
                    )
        end as matures_at,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion,
        case when complained.order_id is not null then 'complained_of' end as failure,
        coalesce(complained.weight, 0) as numerator,
        complained.complaint_id
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    inner join limits on limits.day = orders.reported_on
    left join complained on complained.order_id = orders.order_id
    left join undecided on undecided.order_id = orders.order_id
    {{ join_exclusions('complaint_rate', case_code='first_case_code') }}
    where
        orders.first_completed_at is not null
        or complained.order_id is not null
        or undecided.order_id is not null
)

select
    'complaint_rate' as kpi_code,
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
    complaint_id as evidence_ref
from judged
cross join night
