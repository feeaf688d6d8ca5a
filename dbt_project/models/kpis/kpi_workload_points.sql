-- One row per order that ended and technician with a share in it, and one per technician and available day.
-- The numerator is his share of the standard points, the denominator of a day its part of a month's
-- standard for his grade: together they are the workload of any period. Counts for the day of final
-- completion (cancelled: of cancellation), and for the day itself.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_order_endings') }} where not is_added
),

credit as (
    select * from {{ ref('int_order_credit') }} where not is_added
),

standards as (
    select * from {{ ref('int_order_standards') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

days as (
    select * from {{ ref('int_available_days') }}
),

grades as (
    select * from {{ ref('workload_standards') }}
),

repeats as (
    select
        repeats.order_id,
        repeats.repeated_order_id,
        repeats.repeated_completed_at,
        earlier.accountable_technician_id as charged_technician_id
    from {{ ref('int_order_repeats') }} as repeats
    inner join {{ ref('int_orders') }} as earlier on earlier.order_id = repeats.repeated_order_id
    where repeats.is_within_short_window
),

-- A repeat of what was done after a late reopening takes nothing from what had counted by then.
repeated as (
    select distinct orders.order_id
    from orders
    inner join repeats
        on repeats.repeated_order_id = orders.order_id
        and repeats.repeated_completed_at <= orders.ended_at
    where orders.service_type = 'repair'
),

jobs as (
    select
        orders.order_id,
        orders.stratum,
        credit.technician_id,
        credit.share,
        orders.ended_at as anchored_at,
        orders.ended_on as business_date,
        case
            when exclusions.case_code is not null then orders.case_code
            when credit.technician_id is null then 'technician_unknown'
            when
                orders.case_code <> 'cancelled_after_departure_excused'
                and standards.order_id is null
                then 'standard_unknown'
        end as exclusion,
        -- A repair that came back is worth nothing, and who has to answer for it earns nothing with the repeat.
        case
            when
                orders.service_type = 'repair'
                and orders.reopened_at
                <= orders.first_completed_at + limits.repeat_limit * interval '1' day
                then 'reopened'
            when repeated.order_id is not null then 'repeated'
            when repeats.charged_technician_id = credit.technician_id then 'own_repeat'
        end as failure,
        repeats.repeated_order_id,
        case
            when orders.case_code = 'cancelled_after_departure_excused' then limits.cancelled_visit_points_limit
            else standards.points
        end as points
    from orders
    inner join credit on credit.order_id = orders.order_id
    inner join limits on limits.day = orders.reported_on
    left join standards on standards.order_id = orders.order_id
    left join repeated on repeated.order_id = orders.order_id
    left join repeats on repeats.order_id = orders.order_id
    {{ join_exclusions('workload_points') }}
),

graded as (
    select
        days.technician_id,
        days.day,
        days.available_days,
        days.month_days_limit,
        grades.points,
        row_number() over (
            partition by days.technician_id, days.day
            order by grades.grade nulls last
        ) as nearness
    from days
    left join grades
        on coalesce(grades.grade, days.grade, '?') = coalesce(days.grade, '?')
        and {{ in_force('grades', 'days.day') }}
),

records as (
    select
        'work_orders' as feed,
        concat_ws('/', order_id, technician_id) as record_key,
        order_id,
        technician_id,
        business_date,
        anchored_at,
        anchored_at as matures_at,
        exclusion,
        failure,
        cast(case when failure is null then share * coalesce(points, 0) else 0 end as decimal(20, 6)) as numerator,
        cast(0 as decimal(20, 6)) as denominator,
        stratum,
        repeated_order_id as evidence_ref
    from jobs

    union all

    select
        'roster' as feed,
        concat_ws('/', technician_id, cast(day as varchar)) as record_key,
        null as order_id,
        technician_id,
        day as business_date,
        cast(day as timestamp) as anchored_at,
        cast(day as timestamp) as matures_at,
        case when points is null then 'standard_unknown' end as exclusion,
        null as failure,
        0 as numerator,
        coalesce({{ ratio('available_days * points', 'month_days_limit', 6) }}, 0) as denominator,
        null as stratum,
        null as evidence_ref
    from graded
    where nearness = 1
)

select
    'workload_points' as kpi_code,
    feed,
    record_key,
    order_id,
    technician_id,
    records.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    denominator,
    stratum,
    evidence_ref
from records
cross join night
