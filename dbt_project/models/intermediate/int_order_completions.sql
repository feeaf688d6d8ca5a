-- One row per order that was ever completed: first completion, who did it, how it ended then, and
-- whether it was reopened.
-- A later version reopens the order when it is no longer completed, or when it moves completed_at past
-- the moment completion was first shown; any other move of completed_at corrects first completion
-- (handbook 2.11). A completion that lies ahead of the night has not happened yet.
with
night as (
    select * from {{ ref('stg_night') }}
),

versions as (
    select * from {{ ref('stg_work_orders_versions') }}
),

first_version as (
    select
        versions.order_id,
        min(versions.version_no) as version_no
    from versions
    inner join night on versions.completed_at <= night.as_of
    where versions.status = 'completed'
    group by versions.order_id
),

first_shown as (
    select
        versions.order_id,
        versions.version_no,
        versions.updated_at as shown_at,
        versions.completed_at as shown_completed_at,
        versions.technician_id
    from first_version
    inner join versions
        on versions.order_id = first_version.order_id and versions.version_no = first_version.version_no
),

later as (
    select
        versions.order_id,
        versions.version_no,
        versions.updated_at,
        versions.completed_at,
        versions.resolution,
        versions.status = 'completed'
        and (
            versions.completed_at <= first_shown.shown_at
            or versions.completed_at = first_shown.shown_completed_at
        ) as corrects,
        versions.status <> 'completed'
        or (
            versions.completed_at > first_shown.shown_at
            and versions.completed_at <> first_shown.shown_completed_at
        ) as reopens
    from versions
    inner join first_shown on first_shown.order_id = versions.order_id
    where versions.version_no >= first_shown.version_no
),

last_correction as (
    select order_id, max(version_no) as version_no
    from later
    where corrects
    group by order_id
),

first_reopening as (
    select order_id, min(updated_at) as reopened_at
    from later
    where reopens
    group by order_id
)

select
    first_shown.order_id,
    correction.completed_at as first_completed_at,
    first_shown.technician_id as first_completed_by,
    correction.resolution as first_resolution,
    first_reopening.reopened_at
from first_shown
inner join last_correction on last_correction.order_id = first_shown.order_id
inner join later as correction
    on correction.order_id = last_correction.order_id
    and correction.version_no = last_correction.version_no
left join first_reopening on first_reopening.order_id = first_shown.order_id
