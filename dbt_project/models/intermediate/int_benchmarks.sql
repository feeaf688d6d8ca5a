-- One row per period, KPI and stratum with enough history, and one for the whole company ('all').
-- A period's benchmark is a record: once published it is read, never made anew (handbook 4.2).
with
recorded as (
    select * from {{ source('published', 'fct_benchmarks') }}
),

policy as (
    select *
    from {{ ref('int_policy') }}
    where
        (is_adjusted or is_benchmarked)
        and period_month not in (select recorded.period_month from recorded)
),

-- Summed step by step, so that the many records are looked at once.
cells as (
    select
        records.kpi_code,
        records.period_month,
        records.stratum,
        records.technician_id,
        count(*) as n,
        sum(records.numerator) as numerator,
        sum(records.denominator) as denominator
    from {{ ref('int_kpi_records') }} as records
    where
        records.eligible
        and records.mature
        and records.kpi_code in (select policy.kpi_code from policy)
    group by records.kpi_code, records.period_month, records.stratum, records.technician_id
),

-- A stratum 'a|b|c' is looked at whole, as 'a|b', as 'a', and as part of 'all'.
levelled as (
    {% for level in ["stratum", "concat_ws('|', split_part(stratum, '|', 1), split_part(stratum, '|', 2))",
                     "split_part(stratum, '|', 1)", "'all'"] -%}
    select
        kpi_code,
        period_month,
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
    group by kpi_code, period_month, technician_id{{ ', ' ~ level if not loop.last }}
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
    group by policy.period_month, policy.kpi_code, levelled.stratum, levelled.technician_id
),

by_stratum as (
    select
        period_month,
        kpi_code,
        stratum,
        sum(n) as n,
        count(technician_id) as technicians,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from by_technician
    group by period_month, kpi_code, stratum
),

measured as (
    select
        by_stratum.*,
        policy.direction,
        policy.is_adjusted,
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
            when not measured.is_adjusted then {{ ratio('measured.numerator', 'measured.denominator', 6) }}
        end as mean,
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
        0 as n,
        0 as technicians,
        'policy' as source
    from policy
    left join sufficient
        on sufficient.period_month = policy.period_month
        and sufficient.kpi_code = policy.kpi_code
        and sufficient.stratum = 'all'
    where sufficient.stratum is null
)

select period_month, kpi_code, stratum, rate, mean, n, technicians, source from recorded
union all
select period_month, kpi_code, stratum, rate, mean, n, technicians, source from sufficient
union all
select period_month, kpi_code, stratum, rate, mean, n, technicians, source from defaults
