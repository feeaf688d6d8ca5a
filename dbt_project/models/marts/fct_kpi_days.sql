-- One row per technician, business date and KPI; adds up to any period.
with
events as (
    select * from {{ ref('int_day_events') }}
)

select
    technician_id,
    business_date,
    kpi_code,
    cast(coalesce(sum(numerator) filter (where mature), 0) as decimal(20, 6)) as numerator,
    cast(coalesce(sum(denominator) filter (where mature), 0) as decimal(20, 6)) as denominator,
    count(*) filter (where mature and feed <> 'roster') as n,
    count(*) filter (where not mature and feed <> 'roster') as n_immature
from events
where eligible and technician_id is not null
group by technician_id, business_date, kpi_code
