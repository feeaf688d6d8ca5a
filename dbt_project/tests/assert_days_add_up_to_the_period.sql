-- Fails for every technician, month and KPI whose day cells do not add up to the published value.
with
cells as (
    select technician_id, business_date, kpi_code, numerator, denominator, n
    from {{ ref('fct_kpi_days') }}
    {%- if is_night() %}

    union all

    -- The days that stand as they are.
    select published.technician_id, published.business_date, published.kpi_code, numerator, denominator, n
    from (select distinct technician_id, period_month from {{ ref('fct_technician_kpis') }}) as periods
    {{ looked_up(
        source('published', 'fct_kpi_days'), 'found.*',
        "found.technician_id = periods.technician_id"
        ~ " and found.business_date >= periods.period_month"
        ~ " and found.business_date < periods.period_month + interval '1' month"
    ) }} as published
    where
        (published.technician_id, published.business_date) not in (
            select touched.technician_id, touched.business_date from {{ ref('touched_days') }} as touched
        )
        and (published.technician_id, published.business_date) not in (
            select days.technician_id, days.business_date from {{ ref('fct_kpi_days') }} as days
        )
    {%- endif %}
),

days as (
    select
        cast(date_trunc('month', business_date) as date) as period_month,
        technician_id,
        kpi_code,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        sum(n) as n
    from cells
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
