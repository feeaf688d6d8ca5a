-- One row per claim that this night's models look at: of an order or a trip in scope, or judged itself.
select claims.expense_id
from {{ ref('stg_expenses_history') }} as claims
inner join {{ ref('scope_orders') }} as orders on orders.order_id = claims.order_id
union
select claims.expense_id
from {{ ref('stg_expenses_history') }} as claims
inner join {{ ref('scope_trip_days') }} as trips
    on trips.technician_id = claims.technician_id and trips.day = claims.incurred_on
union
select expense_id from {{ ref('touched_claims') }}
