-- One row per technician, also those only an order or an expense names.
select
    technician_id,
    name,
    area_id,
    team_id,
    grade,
    hired_on,
    left_on,
    is_registered
from {{ ref('int_technicians') }}
