-- One row per area, also those only an order or a technician names.
select
    area_id,
    name,
    region,
    time_zone,
    calendar_id,
    is_registered
from {{ ref('int_areas') }}
