-- One row per claim that this night judges anew where it reaches no order; else it comes with its order. Only
-- what a claim says now counts: where an earlier version of it belonged, tonight's models need not look at.
{{ touched_keys('expenses', 'expense_id') }}
union
select claims.expense_id
from {{ ref('changed_trip_days') }} as trips
{{ looked_up(
    ref('stg_expenses_history'), 'found.expense_id',
    'found.technician_id = trips.technician_id and found.incurred_on = trips.day'
    ~ ' and found.is_current and found.trip_id is not null'
) }} as claims
union
select claims.expense_id
from {{ ref('touched_orders') }} as orders
{{ looked_up(
    ref('stg_expenses_history'), 'found.expense_id',
    'found.order_id = orders.order_id and found.is_current and found.trip_id is null'
) }} as claims
union
select events.record_key as expense_id
from {{ source('published', 'fct_kpi_events') }} as events
inner join {{ ref('stg_night') }} as night on events.next_change_at <= night.as_of
where events.order_id is null and events.feed = 'expenses'
