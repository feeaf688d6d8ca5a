-- One row per record of the technicians' months that are worked out: in a rebuild all, in a night those it
-- judged and those beside them that count and stand.
{{ config(materialized='view') }}
{% set columns = [
    'kpi_code', 'feed', 'record_key', 'order_id', 'technician_id', 'business_date', 'period_month', 'anchored_at',
    'eligible', 'reason_code', 'mature', 'next_change_at', 'numerator', 'denominator', 'expected', 'stratum',
    'evidence_ref',
] | join(', ') -%}
select {{ columns }} from {{ ref('int_kpi_events') }}
{% if is_night() -%}
where (technician_id, period_month) in (
        select periods.technician_id, periods.period_month from {{ ref('touched_periods') }} as periods
    )

union all

select {{ columns }} from {{ ref('other_events') }}
{%- endif %}
