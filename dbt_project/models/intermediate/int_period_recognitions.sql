-- One row per recognition of the technicians that are worked out: in a rebuild all, in a night those it judged
-- and those that stand beside them.
{{ config(materialized='view') }}
{% set columns = [
    'recognition_id', 'technician_id', 'period_month', 'order_id', 'kind', 'occurred_on', 'evidence_ref', 'eligible',
    'reason_code', 'points',
] | join(', ') -%}
select {{ columns }} from {{ ref('int_recognitions') }}
{% if is_night() -%}
union all

select {{ columns }}
from {{ source('published', 'fct_recognitions') }}
where
    technician_id not in (select touched.technician_id from {{ ref('touched_honours') }} as touched)
    and (technician_id, period_month) in (
        select periods.technician_id, periods.period_month from {{ ref('touched_periods') }} as periods
    )
{%- endif %}
