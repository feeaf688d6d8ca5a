-- One row per record a KPI judges, eligible or not; in a night of those that are not published as they are.
-- A view: publication reads these many rows once.
{{ config(materialized='view') }}
select
    cast(kpi_code as varchar) as kpi_code,
    cast(feed as varchar) as feed,
    cast(record_key as varchar) as record_key,
    cast(order_id as varchar) as order_id,
    cast(technician_id as varchar) as technician_id,
    business_date,
    anchored_at,
    eligible,
    cast(reason_code as varchar) as reason_code,
    mature,
    next_change_at,
    cast(numerator as decimal(20, 6)) as numerator,
    cast(denominator as decimal(20, 6)) as denominator,
    cast(expected as decimal(20, 10)) as expected,
    cast(stratum as varchar) as stratum,
    cast(evidence_ref as varchar) as evidence_ref
from {{ ref('int_kpi_events') }}
{%- if is_night() %}
where (kpi_code, feed, record_key) in (
        select changed.kpi_code, changed.feed, changed.record_key from {{ ref('changed_events') }} as changed
    )
{%- endif %}
