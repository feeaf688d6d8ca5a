-- One row per published record that counts in a technician's month that this night works out anew, and which
-- itself stands as it is. A rebuild works out all of them, so there are none.
select
    events.*,
    periods.period_month
from {{ ref('touched_periods') }} as periods
{{ looked_up(
    source('published', 'fct_kpi_events'), 'found.*',
    "found.technician_id = periods.technician_id"
    ~ " and found.business_date >= periods.period_month"
    ~ " and found.business_date < periods.period_month + interval '1' month"
    ~ " and found.eligible"
) }} as events
left join {{ ref('touched_events') }} as touched
    on touched.kpi_code = events.kpi_code
    and touched.feed = events.feed
    and touched.record_key = events.record_key
where touched.record_key is null and {{ is_night() | lower }}
