-- One row per published record that this night judges anew, as it was: the old places.
select published.*
from {{ ref('touched_orders') }} as orders
{{ looked_up(source('published', 'fct_kpi_events'), 'found.*', 'found.order_id = orders.order_id') }} as published

union all

select published.*
from {{ ref('touched_available_days') }} as days
{{ looked_up(
    source('published', 'fct_kpi_events'), 'found.*',
    "found.technician_id = days.technician_id and found.business_date = days.day and found.feed = 'roster'"
) }} as published

union all

select published.*
from {{ ref('touched_claims') }} as claims
{{ looked_up(
    source('published', 'fct_kpi_events'), 'found.*',
    "found.kpi_code = 'travel_cost_index' and found.feed = 'expenses'"
    ~ " and found.record_key = claims.expense_id and found.order_id is null"
) }} as published
