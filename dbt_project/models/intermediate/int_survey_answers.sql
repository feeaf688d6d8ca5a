-- One row per survey: what its newest answer says, and whether it is the order's valid answer.
-- Void answers are dropped, then the last answer in the window is taken (handbook 3, csat_top2).
with
night as (
    select * from {{ ref('stg_night') }}
),

versions as (
    select * from {{ ref('stg_surveys_versions') }}
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

staff as (
    select * from {{ source('ops', 'staff_respondents') }}
),

anchored as (
    select
        orders.order_id,
        orders.time_zone,
        coalesce(orders.first_completed_at, orders.cancelled_at, clocks.due_at) as anchored_at,
        limits.survey_window_limit,
        limits.survey_close_limit,
        limits.survey_too_fast_limit
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    inner join limits on limits.day = orders.reported_on
),

sendings as (
    select order_id, min(sent_at) as first_sent_at from versions group by order_id
),

windows as (
    select
        anchored.*,
        {{ local_date('anchored.anchored_at', 'anchored.time_zone') }} as anchored_on,
        least(
            sendings.first_sent_at + anchored.survey_window_limit * interval '1' day,
            {{ utc_time(
                "date_trunc('month', " ~ local_time('anchored.anchored_at', 'anchored.time_zone')
                ~ ") + interval '1' month + anchored.survey_close_limit * interval '1' day",
                'anchored.time_zone'
            ) }}
        ) as closes_at
    from anchored
    inner join sendings on sendings.order_id = anchored.order_id
),

-- A version that repeats the answer's time corrects that answer; another time is another answer.
answers as (
    select
        versions.*,
        row_number() over (
            partition by versions.survey_id, versions.answered_at
            order by versions.version_no desc
        ) as correction_rank
    from versions
),

judged as (
    select
        answers.survey_id,
        answers.order_id,
        answers.version_no,
        answers.is_current,
        answers.sent_at,
        answers.answered_at,
        answers.rating,
        answers.recommend,
        answers.reason,
        windows.anchored_at,
        windows.anchored_on,
        windows.closes_at,
        case
            when windows.order_id is null then 'order_unknown'
            when answers.answered_at is null and windows.closes_at <= night.as_of then 'not_answered'
            when answers.answered_at is null then null
            when answers.rating is null then 'no_rating'
            when
                answers.answered_at
                < answers.sent_at + windows.survey_too_fast_limit * interval '1' second
                then 'answered_too_fast'
            when staff.respondent_hash is not null then 'staff_respondent'
            when answers.answered_at > windows.closes_at then 'answered_late'
        end as void_reason
    from answers
    cross join night
    left join windows on windows.order_id = answers.order_id
    left join staff
        on staff.respondent_hash = answers.respondent_id
        and {{ in_force('staff', 'cast(answers.sent_at as date)') }}
    where answers.correction_rank = 1
),

ranked as (
    select
        judged.*,
        row_number() over (
            partition by order_id, void_reason is null and answered_at is not null
            order by answered_at desc, version_no desc, {{ key_order('survey_id') }} desc
        ) as answer_rank,
        row_number() over (
            partition by survey_id
            order by
                case when void_reason is null and answered_at is not null then 0 else 1 end,
                answered_at desc nulls last,
                version_no desc
        ) as survey_rank
    from judged
)

select
    survey_id,
    order_id,
    sent_at,
    answered_at,
    rating,
    recommend,
    reason,
    anchored_at,
    anchored_on,
    closes_at,
    void_reason,
    void_reason is null and answered_at is not null and answer_rank = 1 as is_valid_answer
from ranked
where survey_rank = 1
