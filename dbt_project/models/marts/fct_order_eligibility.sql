-- One row per order and KPI record: whether it counts, and if not, why.
{{ config(materialized='view', contract={'enforced': false}) }}
select
    order_id,
    kpi_code,
    eligible,
    reason_code
from {{ ref('fct_kpi_events') }}
