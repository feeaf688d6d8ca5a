-- One row per calendar, time zone, day and stretch of working time, in UTC; days off have no row.
-- A day of its own in calendar_days (holiday, make-up day) replaces the weekday's hours.
with
days as (
    select * from {{ ref('int_days') }}
),

places as (
    select distinct calendar_id, time_zone from {{ ref('int_areas') }}
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

in_utc as (
    select
        calendar_id,
        time_zone,
        day,
        {{ utc_time("cast(concat_ws(' ', cast(day as varchar), opens) as timestamp)", 'time_zone') }} as opens_at,
        {{ utc_time("cast(concat_ws(' ', cast(day as varchar), closes) as timestamp)", 'time_zone') }} as closes_at
    from opening
)

select
    in_utc.*,
    {{ seconds_between('opens_at', 'closes_at') }} as open_seconds,
    coalesce(sum({{ seconds_between('opens_at', 'closes_at') }}) over (
        partition by calendar_id, time_zone
        order by opens_at
        rows between unbounded preceding and 1 preceding
    ), 0) as open_seconds_before
from in_utc
