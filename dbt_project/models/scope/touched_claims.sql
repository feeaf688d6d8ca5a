-- One row per claim that this night judges anew where it reaches no order; else it comes with its order.
{{ touched_keys('expenses', 'expense_id') }}
union
select claims.expense_id
from {{ ref('stg_expenses_history') }} as claims
inner join {{ ref('changed_trip_days') }} as trips
    on trips.technician_id = claims.technician_id and trips.day = claims.incurred_on
union
select claims.expense_id
from {{ ref('stg_expenses_history') }} as claims
inner join {{ ref('touched_orders') }} as orders on orders.order_id = claims.order_id
union
select events.record_key as expense_id
from {{ source('published', 'fct_kpi_events') }} as events
inner join {{ ref('stg_night') }} as night on events.next_change_at <= night.as_of
where events.order_id is null and events.feed = 'expenses'
