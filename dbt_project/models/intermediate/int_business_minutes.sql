-- One row per order and clock: working minutes of the area's calendar, excused pauses taken out.
-- The only model that does business-time arithmetic: a stretch lasts the working seconds before its end
-- less those before its start, and the working seconds before a moment are those of the days before its
-- local day plus what of that day's stretches has passed. An order has no row where that is not known: its
-- calendar has no hours at all, or a moment lies outside the days that are laid out.
with
working_hours as (
    select * from {{ ref('int_working_hours') }}
),

spans as (
    select * from {{ ref('int_measured_spans') }}
),

working_days as (
    select
        places.calendar_id,
        places.time_zone,
        days.day,
        coalesce(sum(opened.open_seconds) over (
            partition by places.calendar_id, places.time_zone
            order by days.day
            rows between unbounded preceding and 1 preceding
        ), 0) as open_seconds_before
    from (select distinct calendar_id, time_zone from working_hours) as places
    cross join {{ ref('int_days') }} as days
    left join (
        select calendar_id, time_zone, day, sum(open_seconds) as open_seconds
        from working_hours
        group by calendar_id, time_zone, day
    ) as opened
        on opened.calendar_id = places.calendar_id
        and opened.time_zone = places.time_zone
        and opened.day = days.day
),

-- One join for the moments below: with a second one the planner, which cannot foresee how few days a
-- moment has, would look at every day for every moment.
stretches as (
    select
        working_days.*,
        working_hours.opens_at,
        working_hours.open_seconds
    from working_days
    left join working_hours
        on working_hours.calendar_id = working_days.calendar_id
        and working_hours.time_zone = working_days.time_zone
        and working_hours.day = working_days.day
    {{ computed_once() }}
),

ends as (
    select order_id, clock, calendar_id, time_zone, sign, ended_at as moment
    from spans
    union all
    select order_id, clock, calendar_id, time_zone, -sign as sign, started_at as moment
    from spans
),

local_ends as (
    select
        row_number() over (order by order_id) as end_no,
        ends.*,
        {{ local_date('moment', 'time_zone') }} as day
    from ends
),

passed as (
    select
        local_ends.end_no,
        local_ends.order_id,
        local_ends.clock,
        local_ends.sign,
        stretches.open_seconds_before
        + coalesce(sum(greatest(0, least(
            stretches.open_seconds,
            {{ seconds_between('stretches.opens_at', 'local_ends.moment') }}
        ))), 0) as open_seconds
    from local_ends
    left join stretches
        on stretches.calendar_id = local_ends.calendar_id
        and stretches.time_zone = local_ends.time_zone
        and stretches.day = local_ends.day
    group by
        local_ends.end_no,
        local_ends.order_id,
        local_ends.clock,
        local_ends.sign,
        stretches.open_seconds_before
)

select
    order_id,
    clock,
    cast(sum(sign * open_seconds) / 60 as decimal(18, 6)) as minutes
from passed
group by order_id, clock
-- One end without the other would be the working time since the calendar began.
having count(open_seconds) = count(*)
