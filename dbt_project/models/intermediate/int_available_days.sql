-- One row per technician and day on which he was there to work, of the days that are over in his area's
-- zone: work done in the hours still to come is not known either.
-- By the roster where that feed counts, else the working days of his area's calendar, within his first
-- and last day of work (handbook 3, workload_points). Without a technicians feed all days are his.
with
night as (
    select * from {{ ref('stg_night') }}
),

feeds as (
    select * from {{ ref('int_feeds') }}
),

bounds as (
    select
        night.as_of,
        night.time_zone,
        work_orders.counts_from,
        roster.counts_from as roster_from
    from night
    inner join feeds as work_orders on work_orders.feed = 'work_orders'
    left join feeds as roster on roster.feed = 'roster'
),

limits as (
    select * from {{ ref('int_days') }}
),

employed as (
    select
        technicians.technician_id,
        limits.day,
        limits.full_day_limit,
        limits.month_days_limit,
        history.grade,
        coalesce(history.area_id, 'none') as area_id,
        coalesce(limits.day >= bounds.roster_from, false) as is_rostered
    from {{ ref('int_technicians') }} as technicians
    cross join bounds
    inner join limits on limits.day >= bounds.counts_from
    {%- if is_night() %}
    inner join {{ ref('touched_available_days') }} as touched
        on touched.technician_id = technicians.technician_id and touched.day = limits.day
    {%- endif %}
    left join {{ ref('int_technician_history') }} as history
        on history.technician_id = technicians.technician_id
        and limits.day >= coalesce(history.valid_from, limits.day)
        and limits.day < coalesce(history.valid_to, limits.day + interval '1' day)
    where
        limits.day < {{ local_date('bounds.as_of', 'coalesce(history.time_zone, bounds.time_zone)') }}
        and limits.day >= coalesce(technicians.hired_on, limits.day)
        and limits.day <= coalesce(technicians.left_on, limits.day)
),

working_days as (
    select distinct
        areas.area_id,
        hours.day
    from {{ ref('int_areas') }} as areas
    inner join {{ ref('int_working_hours') }} as hours
        on hours.calendar_id = areas.calendar_id and hours.time_zone = areas.time_zone
),

available as (
    select
        employed.*,
        case
            when employed.is_rostered then roster.available_minutes
            when working_days.day is not null then employed.full_day_limit
        end as available_minutes
    from employed
    left join {{ ref('stg_roster') }} as roster
        on roster.technician_id = employed.technician_id and roster.work_date = employed.day
    left join working_days
        on working_days.area_id = employed.area_id and working_days.day = employed.day
)

select
    technician_id,
    day,
    area_id,
    grade,
    cast(available_minutes as decimal(9, 2)) as available_minutes,
    {{ ratio('available_minutes', 'full_day_limit', 6) }} as available_days,
    month_days_limit
from available
where available_minutes > 0
