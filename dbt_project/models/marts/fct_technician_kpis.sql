-- One row per period, technician and KPI.
with
kpis as (
    select * from {{ ref('int_technician_kpis') }}
)

select
    kpis.period_month,
    kpis.edition,
    kpis.technician_id,
    kpis.kpi_code,
    kpis.family,
    kpis.numerator,
    kpis.denominator,
    kpis.n,
    kpis.n_immature,
    cast(kpis.raw_value as decimal(18, 10)) as raw_value,
    cast(kpis.adjusted_value as decimal(18, 10)) as adjusted_value,
    kpis.ci_low,
    kpis.ci_high,
    kpis.points,
    cast(kpis.weight as decimal(7, 4)) as weight,
    cast(kpis.effective_weight as decimal(13, 10)) as effective_weight,
    kpis.contribution,
    kpis.available,
    case when not kpis.available then 'unavailable' end as badge
from kpis
