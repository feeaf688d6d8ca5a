-- One row per technician and stretch of days in which he belonged to an area, a team and a grade.
-- A change holds from the day of its updated_at, the first version from the beginning (handbook 2.4).
with
night as (
    select * from {{ ref('stg_night') }}
),

versions as (
    select
        technicians.technician_id,
        technicians.area_id,
        technicians.team_id,
        technicians.grade,
        technicians.version_no,
        {{ local_date('technicians.updated_at', 'night.time_zone') }} as changed_on
    from {{ ref('stg_technicians_versions') }} as technicians
    cross join night
),

-- Of several changes on one day the last one holds.
last_of_day as (
    select
        versions.*,
        row_number() over (partition by technician_id, changed_on order by version_no desc) as nearness
    from versions
)

select
    technician_id,
    area_id,
    team_id,
    grade,
    case when row_number() over changes > 1 then changed_on end as valid_from,
    lead(changed_on) over changes as valid_to
from last_of_day
where nearness = 1
window changes as (partition by technician_id order by changed_on)
