-- One row per period, KPI and stratum that occurs: the benchmark of the stratum or of its nearest parent.
with
strata as (
    select distinct
        period_month,
        kpi_code,
        coalesce(stratum, '?') as stratum
    from {{ ref('int_kpi_records') }}
    where kpi_code in (select benchmarks.kpi_code from {{ ref('int_benchmarks') }} as benchmarks)
),

benchmarks as (
    select * from {{ ref('int_benchmarks') }}
),

-- Parents by dropping the fault family, then the appliance, then the service type.
parents as (
    {% for level in ["stratum", "concat_ws('|', split_part(stratum, '|', 1), split_part(stratum, '|', 2))",
                     "split_part(stratum, '|', 1)", "'all'"] -%}
    select period_month, kpi_code, stratum, {{ level }} as benchmark_stratum, {{ loop.index }} as distance
    from strata
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

found as (
    select
        parents.period_month,
        parents.kpi_code,
        parents.stratum,
        benchmarks.stratum as benchmark_stratum,
        benchmarks.rate,
        benchmarks.mean,
        benchmarks.low,
        benchmarks.high,
        row_number() over (
            partition by parents.period_month, parents.kpi_code, parents.stratum
            order by parents.distance
        ) as nearness
    from parents
    inner join benchmarks
        on benchmarks.period_month = parents.period_month
        and benchmarks.kpi_code = parents.kpi_code
        and benchmarks.stratum = parents.benchmark_stratum
)

select period_month, kpi_code, stratum, benchmark_stratum, rate, mean, low, high
from found
where nearness = 1
