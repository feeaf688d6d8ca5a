-- One row per period and KPI: the weight and the line in force on the period's first day.
with
periods as (
    select * from {{ ref('int_periods') }}
),

catalog as (
    select * from {{ ref('kpi_catalog') }}
),

weights as (
    select * from {{ ref('kpi_weights') }}
),

targets as (
    select * from {{ ref('kpi_targets') }}
),

defaults as (
    select * from {{ ref('benchmark_defaults') }}
)

select
    periods.period_month,
    periods.benchmark_months_limit,
    periods.benchmark_records_limit,
    periods.benchmark_technicians_limit,
    periods.score_weight_limit,
    periods.score_families_limit,
    periods.duration_low_limit,
    periods.duration_high_limit,
    catalog.kpi_code,
    catalog.display_order,
    catalog.family,
    catalog.direction,
    catalog.measure,
    catalog.is_adjusted,
    catalog.is_benchmarked,
    catalog.is_trimmed,
    catalog.is_full_when_empty,
    coalesce(feeds.counts_from <= periods.period_month, false) as is_feed_there,
    weights.policy_version,
    weights.weight,
    targets.floor,
    targets.target,
    targets.stretch,
    targets.prior_records,
    -- What stands in for history: the target's failure rate, or the policy row (handbook 4.2).
    case when catalog.direction = 'up' then 1 - targets.target else targets.target end as default_rate,
    defaults.mean as default_mean
from periods
cross join catalog
inner join weights
    on weights.kpi_code = catalog.kpi_code and {{ in_force('weights', 'periods.period_month') }}
left join {{ ref('int_feeds') }} as feeds on feeds.feed = catalog.feed
-- What has no weight has no line either.
left join targets
    on targets.kpi_code = catalog.kpi_code and {{ in_force('targets', 'periods.period_month') }}
left join defaults
    on defaults.kpi_code = catalog.kpi_code and {{ in_force('defaults', 'periods.period_month') }}
