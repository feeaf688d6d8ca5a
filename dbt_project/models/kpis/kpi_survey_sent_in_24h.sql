-- One row per order that ended: was its first survey sent within the limit after first completion?
-- Counts for the day of first completion (cancelled: of cancellation), for the accountable technician.
-- Wall clock.
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

sendings as (
    select order_id, min(sent_at) as first_sent_at
    from {{ ref('stg_surveys_versions') }}
    group by order_id
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
        coalesce(
            least(
                sendings.first_sent_at,
                orders.first_completed_at + limits.survey_sent_limit * interval '1' hour
            ),
            orders.cancelled_at
        ) as matures_at,
        coalesce(
            sendings.first_sent_at
            <= orders.first_completed_at + limits.survey_sent_limit * interval '1' hour,
            false
        ) as is_in_time,
        sendings.first_sent_at is null as is_unsent,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion
    from orders
    inner join limits on limits.day = orders.reported_on
    left join sendings on sendings.order_id = orders.order_id
    {{ join_exclusions('survey_sent_in_24h', case_code='first_case_code') }}
    where coalesce(orders.first_completed_at, orders.cancelled_at) is not null
),

verdicts as (
    select
        judged.*,
        case
            when is_in_time then null
            when is_unsent then 'not_sent'
            else 'sent_late'
        end as failure
    from judged
)

select
    'survey_sent_in_24h' as kpi_code,
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
