-- One row per order asked: did a valid answer come in the window?
-- Counts for the day of the order's first completion, for its accountable technician.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

answers as (
    select * from {{ ref('int_survey_answers') }}
),

asked as (
    select
        order_id,
        min(anchored_at) as anchored_at,
        min(anchored_on) as business_date,
        min(closes_at) as closes_at,
        min(answered_at) filter (where is_valid_answer) as answered_at,
        bool_or(is_valid_answer) as is_answered
    from answers
    group by order_id
),

judged as (
    select
        asked.order_id,
        asked.anchored_at,
        asked.business_date,
        orders.accountable_technician_id as technician_id,
        orders.stratum,
        least(asked.answered_at, asked.closes_at) as matures_at,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion,
        case when not asked.is_answered then 'not_answered' end as failure,
        case when asked.is_answered then 1 else 0 end as numerator
    from asked
    inner join orders on orders.order_id = asked.order_id
    {{ join_exclusions('survey_response_rate', case_code='first_case_code') }}
)

select
    'survey_response_rate' as kpi_code,
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
