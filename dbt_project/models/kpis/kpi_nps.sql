-- One row per survey: a promoter (9 or 10), a detractor (0 to 6) or neither, where the answer counts for
-- satisfaction and says whether the customer would recommend.
with
night as (
    select * from {{ ref('stg_night') }}
),

top2 as (
    select * from {{ ref('kpi_csat_top2') }}
),

answers as (
    select * from {{ ref('int_survey_answers') }}
),

judged as (
    select
        top2.order_id,
        top2.record_key,
        top2.technician_id,
        top2.business_date,
        top2.anchored_at,
        top2.matures_at,
        top2.stratum,
        case
            when not top2.eligible then top2.reason_code
            when answers.answered_at is not null and answers.recommend is null then 'no_recommendation'
        end as exclusion,
        cast(null as varchar) as failure,
        case
            when answers.recommend >= 9 then 1
            when answers.recommend <= 6 then -1
            else 0
        end as numerator
    from top2
    inner join answers on answers.survey_id = top2.record_key
)

select
    'nps' as kpi_code,
    'surveys' as feed,
    record_key,
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
