-- One row per claim that this night's models look at: of an order or a trip in scope, or judged itself.
select claims.expense_id
from {{ ref('scope_orders') }} as orders
{{ looked_up(ref('stg_expenses_history'), 'found.expense_id', 'found.order_id = orders.order_id') }} as claims
union
select claims.expense_id
from {{ ref('scope_trip_days') }} as trips
{{ looked_up(
    ref('stg_expenses_history'), 'found.expense_id',
    'found.technician_id = trips.technician_id and found.incurred_on = trips.day'
) }} as claims
union
select expense_id from {{ ref('touched_claims') }}
