-- One row per record a KPI judges: every row of every KPI file, in one shape.
{{ config(materialized='view') }}
{% set kpi_codes = [
    'csat_top2',
    'first_time_fix',
    'on_time_24h',
    'completion',
    'response_time',
    'travel_cost_index',
] -%}

{% for kpi_code in kpi_codes %}
select
    kpi_code,
    feed,
    record_key,
    order_id,
    technician_id,
    business_date,
    cast(date_trunc('month', business_date) as date) as period_month,
    anchored_at,
    eligible,
    reason_code,
    mature,
    next_change_at,
    cast(numerator as decimal(20, 6)) as numerator,
    cast(denominator as decimal(20, 6)) as denominator,
    stratum,
    evidence_ref
from {{ ref('kpi_' ~ kpi_code) }}
{{ 'union all' if not loop.last }}
{% endfor %}
