-- One row per KPI and policy version.
with
catalog as (
    select * from {{ ref('kpi_catalog') }}
),

weights as (
    select * from {{ ref('kpi_weights') }}
),

targets as (
    select * from {{ ref('kpi_targets') }}
)

select
    weights.policy_version,
    catalog.kpi_code,
    catalog.display_order,
    catalog.name,
    catalog.name_zh,
    catalog.family,
    catalog.direction,
    catalog.measure,
    catalog.unit,
    catalog.definition,
    catalog.feed,
    cast(targets.floor as decimal(12, 6)) as floor,
    cast(targets.target as decimal(12, 6)) as target,
    cast(targets.stretch as decimal(12, 6)) as stretch,
    cast(weights.weight as decimal(7, 4)) as weight,
    cast(targets.prior_records as decimal(9, 2)) as prior_records,
    weights.valid_from,
    weights.valid_to
from catalog
inner join weights on weights.kpi_code = catalog.kpi_code
left join targets
    on targets.kpi_code = catalog.kpi_code and targets.policy_version = weights.policy_version
