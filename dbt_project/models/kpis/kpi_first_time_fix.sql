-- One row per order: fixed on one visit, or on an excused second one, and neither reopened nor repeated
-- within the repeat limit?
-- Counts for the day of first completion (cancelled: of cancellation), for the accountable technician,
-- once the limit is over.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

repeats as (
    select
        repeated_order_id,
        order_id,
        reported_at,
        row_number() over (
            partition by repeated_order_id
            order by reported_at, {{ key_order('order_id') }}
        ) as repeat_no
    from {{ ref('int_order_repeats') }}
),

fixes as (
    select * from {{ ref('int_order_fixes') }}
),

follow_ups as (
    select * from {{ ref('int_order_follow_ups') }}
),

watched as (
    select
        orders.*,
        orders.first_completed_at + limits.repeat_limit * interval '1' day as decided_at
    from orders
    inner join limits on limits.day = orders.reported_on
),

seen as (
    select
        watched.*,
        coalesce(watched.reopened_at <= watched.decided_at, false) as is_reopened,
        repeats.order_id as repeat_order_id,
        coalesce(fixes.visit_count > 1 and not fixes.is_excused, false) as took_further_visit,
        fixes.first_technician_id
    from watched
    left join repeats
        on repeats.repeated_order_id = watched.order_id
        and repeats.repeat_no = 1
        and repeats.reported_at <= watched.decided_at
    left join fixes on fixes.order_id = watched.order_id
),

judged as (
    select
        seen.order_id,
        seen.stratum,
        seen.time_zone,
        -- A further visit that nothing excuses is answered for by who came first (handbook 2.5).
        coalesce(
            case when seen.took_further_visit then seen.first_technician_id end,
            seen.accountable_technician_id
        ) as technician_id,
        seen.took_further_visit,
        seen.is_reopened,
        seen.repeat_order_id,
        coalesce(seen.first_completed_at, seen.cancelled_at, seen.reported_at) as anchored_at,
        coalesce(seen.decided_at, seen.cancelled_at) as matures_at,
        case
            when exclusions.case_code is not null then seen.first_case_code
            when follow_ups.order_id is not null then 'follow_up_visit'
            when seen.is_completion_unknown and seen.first_completed_at is null then 'completion_time_unknown'
            when seen.service_type is null then 'service_type_unknown'
            when
                seen.appliance_serial is null
                and (seen.customer_id is null or seen.appliance_category is null)
                then 'appliance_unknown'
            -- Nothing was broken: only coming back shows that it was not right (handbook case table).
            when
                seen.first_case_code = 'nothing_to_fix'
                and not seen.is_reopened
                and seen.repeat_order_id is null
                then 'nothing_to_fix'
            when seen.first_completed_at is not null and seen.accountable_technician_id is null
                then 'technician_unknown'
        end as exclusion
    from seen
    left join follow_ups on follow_ups.order_id = seen.order_id
    {{ join_exclusions('first_time_fix', 'seen', 'first_case_code') }}
),

verdicts as (
    select
        judged.*,
        not is_reopened and repeat_order_id is null and not took_further_visit as is_fixed,
        case
            when is_reopened then 'reopened'
            when repeat_order_id is not null then 'repeated'
            when took_further_visit then 'further_visit'
        end as failure
    from judged
)

select
    'first_time_fix' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    {{ local_date('anchored_at', 'verdicts.time_zone') }} as business_date,
    anchored_at,
    {{ verdict() }},
    case when is_fixed then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    repeat_order_id as evidence_ref
from verdicts
cross join night
