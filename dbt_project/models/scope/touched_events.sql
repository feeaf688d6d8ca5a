-- One row per published record that this night judges anew, as it was: the old places.
select published.*
from {{ source('published', 'fct_kpi_events') }} as published
inner join {{ ref('touched_orders') }} as orders on orders.order_id = published.order_id

union all

select published.*
from {{ source('published', 'fct_kpi_events') }} as published
inner join {{ ref('touched_available_days') }} as days
    on days.technician_id = published.technician_id and days.day = published.business_date
where published.feed = 'roster'

union all

select published.*
from {{ source('published', 'fct_kpi_events') }} as published
inner join {{ ref('touched_claims') }} as claims on claims.expense_id = published.record_key
where published.kpi_code = 'travel_cost_index' and published.feed = 'expenses' and published.order_id is null
