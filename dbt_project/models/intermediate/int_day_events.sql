-- One row per record of the technicians' days that are added up: in a rebuild all, in a night those of the
-- days it touches.
{{ config(materialized='view') }}
select events.*
from {{ ref('int_period_events') }} as events
{% if is_night() -%}
inner join {{ ref('touched_days') }} as days
    on days.technician_id = events.technician_id and days.business_date = events.business_date
{%- endif %}
