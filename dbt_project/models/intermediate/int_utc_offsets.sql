-- One row per time zone and stretch of time between two clock changes, in UTC: how far its clocks are ahead.
-- The first stretch has no start, the last no end. What a clock change skips or repeats is left to no engine:
-- only UTC is ever turned into local time. A change is looked for minute by minute, on the days that begin
-- and end with different offsets.
with
zones as (
    select distinct time_zone from {{ ref('int_areas') }}
),

days as (
    select
        zones.time_zone,
        cast(days.day as timestamp) as began_at,
        cast(days.day as timestamp) + interval '1' day as ended_at,
        row_number() over (partition by zones.time_zone order by days.day) as day_no
    from zones
    cross join {{ ref('int_days') }} as days
),

offset_days as (
    select
        days.*,
        {{ seconds_between('began_at', local_time('began_at', 'time_zone')) }} as first_offset,
        {{ seconds_between('ended_at', local_time('ended_at', 'time_zone')) }} as last_offset
    from days
),

starts as (
    select
        time_zone,
        cast(null as timestamp) as started_at,
        first_offset as offset_seconds
    from offset_days
    where day_no = 1

    union all

    select
        days.time_zone,
        min(minutes.minute) as started_at,
        days.last_offset as offset_seconds
    from offset_days as days
    cross join lateral {{ minutes('days.began_at', 'days.ended_at') }} as minutes
    where
        days.first_offset <> days.last_offset
        and {{ seconds_between('minutes.minute', local_time('minutes.minute', 'days.time_zone')) }}
        = days.last_offset
    group by days.time_zone, days.day_no, days.last_offset
)

select
    time_zone,
    started_at,
    lead(started_at) over (partition by time_zone order by started_at nulls first) as ended_at,
    cast(offset_seconds as integer) as offset_seconds
from starts
