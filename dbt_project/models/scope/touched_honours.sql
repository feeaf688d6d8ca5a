-- One row per technician whose recognitions this night judges anew.
{{ ever_said('recognitions', 'technician_id') }}
union
-- A recognition without a customer takes its order's.
select honours.technician_id
from {{ ref('stg_recognitions_history') }} as honours
inner join {{ ref('touched_orders') }} as touched on touched.order_id = honours.order_id
