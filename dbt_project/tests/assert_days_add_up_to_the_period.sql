-- Fails for every technician, month and KPI whose day cells do not add up to the published value.
with
days as (
    select
        cast(date_trunc('month', business_date) as date) as period_month,
        technician_id,
        kpi_code,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        sum(n) as n
    from {{ ref('fct_kpi_days') }}
    group by cast(date_trunc('month', business_date) as date), technician_id, kpi_code
)

select
    kpis.period_month,
    kpis.technician_id,
    kpis.kpi_code,
    kpis.numerator,
    days.numerator as numerator_of_days
from {{ ref('fct_technician_kpis') }} as kpis
left join days
    on days.period_month = kpis.period_month
    and days.technician_id = kpis.technician_id
    and days.kpi_code = kpis.kpi_code
where
    coalesce(kpis.numerator, 0) <> coalesce(days.numerator, 0)
    or coalesce(kpis.denominator, 0) <> coalesce(days.denominator, 0)
    or kpis.n <> coalesce(days.n, 0)
