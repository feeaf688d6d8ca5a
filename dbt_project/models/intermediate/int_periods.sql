-- One row per month from the one work orders count from to the night's, with its state and the limits in force
-- on its first day.
with
night as (
    select * from {{ ref('stg_night') }}
),

feeds as (
    select * from {{ ref('int_feeds') }} where feed = 'work_orders'
),

months as (
    select distinct days.period_month
    from {{ ref('int_days') }} as days
    cross join feeds
    cross join night
    where
        days.period_month >= cast(date_trunc('month', feeds.counts_from) as date)
        and days.period_month <= night.business_date
),

limited as (
    select
        months.period_month,
        {% for code in [
            'preview', 'few_orders', 'few_answers', 'benchmark_months', 'benchmark_records',
            'benchmark_technicians', 'duration_low', 'duration_high', 'score_weight', 'score_families',
            'recognition_cap'
        ] -%}
    max(limits.value) filter (where limits.limit_code = '{{ code }}') as {{ code }}_limit{{ ',' if not loop.last }}
    {% endfor -%}
    from months
    left join {{ ref('limits') }} as limits on {{ in_force('limits', 'months.period_month') }}
    group by months.period_month
)

select
    limited.*,
    case
        when
            night.as_of
            >= {{ utc_time("cast(limited.period_month as timestamp) + interval '1' month", 'night.time_zone') }}
            + limited.preview_limit * interval '1' day
            then 'preview'
        else 'open'
    end as status,
    0 as edition
from limited
cross join night
