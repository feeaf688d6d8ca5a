-- One row per survey: the rating of its answer, where it counts for satisfaction.
with
top2 as (
    select * from {{ ref('kpi_csat_top2') }}
),

answers as (
    select * from {{ ref('int_survey_answers') }}
)

{{ same_records('csat_mean', of='top2', numerator='coalesce(answers.rating, 0)') }}
inner join answers on answers.survey_id = events.record_key
