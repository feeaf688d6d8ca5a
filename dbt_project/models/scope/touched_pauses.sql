-- One row per pause that this night judges anew.
{{ touched_keys('pauses', 'pause_id') }}
union
select pauses.pause_id
from {{ ref('touched_orders') }} as orders
{{ looked_up(source('published', 'fct_pauses'), 'found.pause_id', 'found.order_id = orders.order_id') }} as pauses
