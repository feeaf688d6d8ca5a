-- One row per technician and day of which a record has come, gone or changed; and of a month that begins
-- with this night all that is known of it already. In a rebuild, of all records.
with
events as (
    select * from {{ ref('int_kpi_events') }}
),

new_periods as (
    select periods.period_month
    from {{ ref('int_periods') }} as periods
    left join {{ source('published', 'dim_periods') }} as published
        on published.period_month = periods.period_month
    where published.period_month is null
)

select technician_id, business_date
from {{ ref('changed_events') }}
where technician_id is not null

union

select events.technician_id, events.business_date
from events
{% if is_night() -%}
inner join new_periods on new_periods.period_month = events.period_month
{% endif -%}
where events.technician_id is not null
