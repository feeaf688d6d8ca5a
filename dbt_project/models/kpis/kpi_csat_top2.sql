-- One row per survey: is its answer the order's valid one, and is it in the top two of five?
-- Counts for the day of the order's first completion, for its accountable technician.
with
night as (
    select * from {{ ref('stg_night') }}
),

answers as (
    select * from {{ ref('int_survey_answers') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

reasons as (
    select * from {{ ref('survey_reasons') }}
),

judged as (
    select
        answers.survey_id,
        answers.order_id,
        orders.stratum,
        orders.accountable_technician_id as technician_id,
        coalesce(
            answers.anchored_on, {{ local_date('answers.sent_at', 'night.time_zone') }}
        ) as business_date,
        coalesce(answers.anchored_at, answers.sent_at) as anchored_at,
        case
            when answers.is_valid_answer or answers.void_reason is not null
                then coalesce(least(answers.answered_at, answers.closes_at), answers.sent_at)
            else answers.closes_at
        end as matures_at,
        case
            when answers.void_reason is not null then answers.void_reason
            when exclusions.case_code is not null then orders.first_case_code
            when answers.answered_at is not null and not answers.is_valid_answer then 'superseded_answer'
            when reasons.is_technicians = false then 'not_technicians_doing'
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion,
        answers.rating >= limits.top_box_limit as is_top_box,
        case
            when answers.rating < limits.top_box_limit then concat_ws('_', 'rated', cast(answers.rating as varchar))
        end as failure
    from answers
    cross join night
    left join orders on orders.order_id = answers.order_id
    left join limits on limits.day = orders.reported_on
    left join reasons
        on reasons.survey_reason = answers.reason and {{ in_force('reasons', 'orders.reported_on') }}
    {{ join_exclusions('csat_top2', case_code='first_case_code') }}
)

select
    'csat_top2' as kpi_code,
    'surveys' as feed,
    survey_id as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_top_box then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
