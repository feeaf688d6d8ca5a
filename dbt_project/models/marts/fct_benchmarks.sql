-- One row per period, KPI and stratum: the record the period is scored against.
select
    period_month,
    kpi_code,
    stratum,
    cast(rate as decimal(12, 10)) as rate,
    cast(mean as decimal(20, 6)) as mean,
    cast(low as decimal(20, 6)) as low,
    cast(high as decimal(20, 6)) as high,
    cast(n as bigint) as n,
    cast(technicians as bigint) as technicians,
    source
from {{ ref('int_benchmarks') }}
{%- if is_night() %}
-- A record stands as it is.
where period_month not in (select recorded.period_month from {{ source('published', 'fct_benchmarks') }} as recorded)
{%- endif %}
