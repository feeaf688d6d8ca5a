-- One row per record a KPI judges, eligible or not. A view: publication reads these many rows once.
{{ config(materialized='view') }}
select
    kpi_code,
    feed,
    record_key,
    order_id,
    technician_id,
    business_date,
    anchored_at,
    eligible,
    reason_code,
    mature,
    next_change_at,
    cast(numerator as decimal(20, 6)) as numerator,
    cast(denominator as decimal(20, 6)) as denominator,
    cast(expected as decimal(20, 10)) as expected,
    stratum,
    evidence_ref
from {{ ref('int_kpi_events') }}
