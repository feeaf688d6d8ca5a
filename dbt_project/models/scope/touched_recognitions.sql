-- One row per recognition that this night judges anew.
{{ touched_keys('recognitions', 'recognition_id') }}
union
select recognitions.recognition_id
from {{ source('published', 'fct_recognitions') }} as recognitions
inner join {{ ref('touched_honours') }} as touched on touched.technician_id = recognitions.technician_id
