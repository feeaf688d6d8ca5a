-- One row per period, KPI and stratum with enough history, and one for the whole company ('all').
-- Of the records of the months before it that were mature by the end of the period's first day. A period's
-- benchmark is a record: once published it is read, never made anew (handbook 4.2).
{% set levels = [
    "stratum",
    "concat_ws('|', split_part(stratum, '|', 1), split_part(stratum, '|', 2))",
    "split_part(stratum, '|', 1)",
    "'all'",
] -%}
with
night as (
    select * from {{ ref('stg_night') }}
),

recorded as (
    select * from {{ source('published', 'fct_benchmarks') }}
),

policy as (
    select *
    from {{ ref('int_policy') }}
    where
        (is_adjusted or is_benchmarked or is_trimmed)
        and period_month not in (select recorded.period_month from recorded)
),

benchmarked as (
    select distinct kpi_code from policy
),

records as (
    select
        records.kpi_code,
        records.period_month,
        records.stratum,
        records.technician_id,
        records.order_id,
        records.numerator,
        records.denominator,
        records.quantity,
        -- The first period on whose first day it was mature.
        cast(
            date_trunc(
                'month',
                {{ local_time('records.matures_at', 'night.time_zone') }} - interval '1' day - interval '1' second
            ) + interval '1' month as date
        ) as mature_for
    from {{ ref('int_kpi_records') }} as records
    inner join benchmarked on benchmarked.kpi_code = records.kpi_code
    cross join night
    where records.eligible and records.mature
),

-- Summed step by step, so that the many records are looked at once.
cells as (
    select
        kpi_code,
        period_month,
        mature_for,
        stratum,
        technician_id,
        count(*) as n,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from records
    group by kpi_code, period_month, mature_for, stratum, technician_id
),

-- A stratum 'a|b|c' is looked at whole, as 'a|b', as 'a', and as part of 'all'.
levelled as (
    {% for level in levels -%}
    select
        kpi_code,
        period_month,
        mature_for,
        {{ level }} as stratum,
        technician_id,
        sum(n) as n,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from cells
    {% if loop.index == 2 -%}
    where split_part(stratum, '|', 3) <> ''
    {% elif loop.index == 3 -%}
    where split_part(stratum, '|', 2) <> ''
    {% endif -%}
    group by kpi_code, period_month, mature_for, technician_id{{ ', ' ~ level if not loop.last }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

by_technician as (
    select
        policy.period_month,
        policy.kpi_code,
        levelled.stratum,
        levelled.technician_id,
        sum(levelled.n) as n,
        sum(levelled.numerator) as numerator,
        sum(levelled.denominator) as denominator
    from policy
    inner join levelled
        on levelled.kpi_code = policy.kpi_code
        and levelled.period_month < policy.period_month
        and levelled.period_month >= policy.period_month - policy.benchmark_months_limit * interval '1' month
        and levelled.mature_for <= policy.period_month
    group by policy.period_month, policy.kpi_code, levelled.stratum, levelled.technician_id
),

-- The percentiles a quantity is held to: of orders, of which several technicians may hold shares.
quantities as (
    select distinct
        kpi_code,
        period_month,
        mature_for,
        stratum,
        order_id,
        quantity
    from records
    where quantity is not null
),

percentiles as (
    {% for level in levels -%}
    select
        policy.period_month,
        policy.kpi_code,
        {{ level }} as stratum,
        cast(
            percentile_cont(policy.duration_low_limit) within group (order by quantities.quantity)
            as decimal(20, 6)
        ) as low,
        cast(
            percentile_cont(policy.duration_high_limit) within group (order by quantities.quantity)
            as decimal(20, 6)
        ) as high
    from policy
    inner join quantities
        on quantities.kpi_code = policy.kpi_code
        and quantities.period_month < policy.period_month
        and quantities.period_month >= policy.period_month - policy.benchmark_months_limit * interval '1' month
        and quantities.mature_for <= policy.period_month
    where policy.is_trimmed
    group by
        policy.period_month,
        policy.kpi_code,
        policy.duration_low_limit,
        policy.duration_high_limit{{ ', ' ~ level if not loop.last }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Percentiles are laid beside the sums, not joined to them: the planner expects one row here, and would sort
-- all quantities for each.
measures as (
    select
        by_technician.*,
        cast(null as decimal(20, 6)) as low,
        cast(null as decimal(20, 6)) as high
    from by_technician
    union all
    select
        period_month,
        kpi_code,
        stratum,
        null as technician_id,
        null as n,
        null as numerator,
        null as denominator,
        low,
        high
    from percentiles
),

by_stratum as (
    select
        period_month,
        kpi_code,
        stratum,
        sum(n) as n,
        count(technician_id) as technicians,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        max(low) as low,
        max(high) as high
    from measures
    group by period_month, kpi_code, stratum
),

measured as (
    select
        by_stratum.*,
        policy.direction,
        policy.is_adjusted,
        policy.is_benchmarked,
        policy.benchmark_records_limit,
        policy.benchmark_technicians_limit
    from by_stratum
    inner join policy
        on policy.period_month = by_stratum.period_month and policy.kpi_code = by_stratum.kpi_code
),

sufficient as (
    select
        measured.period_month,
        measured.kpi_code,
        measured.stratum,
        case
            when measured.is_adjusted then greatest(0.001, least(
                    0.999,
                    case
                        when measured.direction = 'up'
                            then {{ ratio('measured.denominator - measured.numerator', 'measured.denominator') }}
                        else {{ ratio('measured.numerator', 'measured.denominator') }}
                    end
                ))
        end as rate,
        case
            when measured.is_benchmarked then {{ ratio('measured.numerator', 'measured.denominator', 6) }}
        end as mean,
        measured.low,
        measured.high,
        measured.n,
        measured.technicians,
        'history' as source
    from measured
    where
        measured.n >= measured.benchmark_records_limit
        and measured.technicians >= measured.benchmark_technicians_limit
),

defaults as (
    select
        policy.period_month,
        policy.kpi_code,
        'all' as stratum,
        case when policy.is_adjusted then greatest(0.001, least(0.999, policy.default_rate)) end as rate,
        case when policy.is_benchmarked then policy.default_mean end as mean,
        cast(null as decimal(20, 6)) as low,
        cast(null as decimal(20, 6)) as high,
        0 as n,
        0 as technicians,
        'policy' as source
    from policy
    left join sufficient
        on sufficient.period_month = policy.period_month
        and sufficient.kpi_code = policy.kpi_code
        and sufficient.stratum = 'all'
    where sufficient.stratum is null and (policy.is_adjusted or policy.is_benchmarked)
)

select period_month, kpi_code, stratum, rate, mean, low, high, n, technicians, source from recorded
union all
select period_month, kpi_code, stratum, rate, mean, low, high, n, technicians, source from sufficient
union all
select period_month, kpi_code, stratum, rate, mean, low, high, n, technicians, source from defaults
