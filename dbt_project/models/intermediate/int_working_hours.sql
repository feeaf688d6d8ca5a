-- One row per calendar, time zone, day and stretch of working time, in UTC; days off have no row.
-- A day of its own in calendar_days (holiday, make-up day) replaces the weekday's hours. A minute is
-- working time when the clock on the wall shows opening hours: what a clock change skips is none, what it
-- repeats is some twice, and a stretch across the change is two.
with
days as (
    select * from {{ ref('int_days') }}
),

places as (
    select distinct calendar_id, time_zone from {{ ref('int_areas') }}
),

offsets as (
    select * from {{ ref('int_utc_offsets') }}
),

weekly as (
    select * from {{ ref('calendar_hours') }}
),

special as (
    select * from {{ ref('calendar_days') }}
),

opening as (
    select
        places.calendar_id,
        places.time_zone,
        days.day,
        weekly.opens,
        weekly.closes
    from places
    cross join days
    inner join weekly
        on weekly.calendar_id = places.calendar_id
        and weekly.weekday = {{ weekday('days.day') }}
        and {{ in_force('weekly', 'days.day') }}
    left join special
        on special.calendar_id = places.calendar_id and special.day = days.day
    where special.day is null

    union all

    select
        places.calendar_id,
        places.time_zone,
        special.day,
        special.opens,
        special.closes
    from places
    inner join special on special.calendar_id = places.calendar_id
    inner join days on days.day = special.day
    where special.opens is not null
),

timed as (
    select
        calendar_id,
        time_zone,
        day,
        cast(concat_ws(' ', cast(day as varchar), opens) as timestamp) as local_opens_at,
        cast(concat_ws(' ', cast(day as varchar), closes) as timestamp) as local_closes_at
    from opening
),

-- A stretch as each offset of its zone has it, cut to the time in which that offset holds.
in_utc as (
    select
        timed.calendar_id,
        timed.time_zone,
        timed.day,
        greatest(
            timed.local_opens_at - offsets.offset_seconds * interval '1' second,
            offsets.started_at
        ) as opens_at,
        least(
            timed.local_closes_at - offsets.offset_seconds * interval '1' second,
            offsets.ended_at
        ) as closes_at
    from timed
    inner join offsets on offsets.time_zone = timed.time_zone
)

select
    in_utc.*,
    {{ seconds_between('opens_at', 'closes_at') }} as open_seconds
from in_utc
where closes_at > opens_at
