-- One row per technician and stretch of days in which he belonged to an area, a team and a grade.
-- A change holds from the day of its updated_at in its area's zone, the first version from the beginning
-- (handbook 2.4).
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
        coalesce(areas.time_zone, night.time_zone) as time_zone,
        {{ local_date('technicians.updated_at', 'coalesce(areas.time_zone, night.time_zone)') }} as changed_on
    from {{ ref('stg_technicians_versions') }} as technicians
    cross join night
    left join {{ ref('int_areas') }} as areas on areas.area_id = technicians.area_id
),

stretches as (
    select
        technician_id,
        area_id,
        team_id,
        grade,
        time_zone,
        case when row_number() over (partition by technician_id order by version_no) > 1 then changed_on end
            as valid_from,
        -- Zones differ: a later change may hold from an earlier day. Of several on one day the last one holds.
        min(changed_on) over (
            partition by technician_id
            order by version_no
            rows between 1 following and unbounded following
        ) as valid_to
    from versions
)

select *
from stretches
where valid_from is null or valid_to is null or valid_from < valid_to
