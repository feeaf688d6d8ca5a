-- One row per day from the first report (a month earlier) to 60 days after the night, with the policy limits in force.
with
night as (
    select * from {{ ref('stg_night') }}
),

first_report as (
    select min(reported_at) as reported_at
    from {{ ref('stg_work_orders_history') }}
    where is_current
),

bounds as (
    select
        cast(coalesce(first_report.reported_at, night.as_of) - interval '31' day as date) as first_day,
        cast(night.as_of + interval '60' day as date) as last_day
    from night
    cross join first_report
),

days as (
    select days.day
    from bounds
    cross join lateral {{ days('bounds.first_day', 'bounds.last_day') }} as days
),

limits as (
    select * from {{ ref('limits') }}
)

select
    days.day,
    cast(date_trunc('month', days.day) as date) as period_month,
    {% for code in [
        'on_time', 'completion', 'repeat', 'repeat_long', 'open_pause', 'survey_window',
        'survey_close', 'survey_too_fast', 'survey_sent', 'top_box', 'complaint_window',
        'complaint_answer', 'complaint_resolution', 'complaint_final_rating', 'complaint_mitigated',
        'complaint_mitigated_satisfied', 'complaint_points_answered', 'complaint_points_resolved',
        'complaint_points_satisfied', 'cancelled_visit_points', 'full_day', 'month_days'
    ] -%}
max(limits.value) filter (where limits.limit_code = '{{ code }}') as {{ code }}_limit{{ ',' if not loop.last }}
{% endfor -%}
from days
left join limits on {{ in_force('limits', 'days.day') }}
group by days.day
