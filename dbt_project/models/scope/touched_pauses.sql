-- One row per pause that this night judges anew.
{{ touched_keys('pauses', 'pause_id') }}
union
select pauses.pause_id
from {{ source('published', 'fct_pauses') }} as pauses
inner join {{ ref('touched_orders') }} as orders on orders.order_id = pauses.order_id
