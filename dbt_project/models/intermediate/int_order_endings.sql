-- One row per order and end of its work: the one that counts, and a later one that only adds cost.
-- A reopening within the repeat limit undoes a completion. After it nothing already counted moves: the
-- order keeps the end, the day and the case it had, and what is spent on it from the reopening on is
-- added when it is completed again (handbook 2.11). A cancelled order ends at its cancellation.
with
orders as (
    select * from {{ ref('int_orders') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

versions as (
    select
        order_id,
        version_no,
        status,
        completed_at,
        updated_at,
        lag(status) over changes as previous_status,
        lag(completed_at) over changes as previous_completed_at
    from {{ ref('stg_work_orders_versions') }}
    window changes as (partition by order_id order by version_no)
),

watched as (
    select
        orders.*,
        orders.first_completed_at + limits.repeat_limit * interval '1' day as decided_at
    from orders
    inner join limits on limits.day = orders.reported_on
),

-- Reopened before and completed again, an order can be reopened once more.
late_reopenings as (
    select
        watched.order_id,
        versions.updated_at as reopened_at,
        versions.previous_completed_at,
        row_number() over (partition by watched.order_id order by versions.version_no) as reopening_no
    from watched
    inner join versions
        on versions.order_id = watched.order_id
        and versions.updated_at > watched.decided_at
        and versions.previous_status = 'completed'
    where
        watched.reopened_at <= watched.decided_at
        and (versions.status <> 'completed' or versions.completed_at > versions.previous_completed_at)
),

settled as (
    select
        watched.*,
        case
            when watched.reopened_at > watched.decided_at then watched.reopened_at
            else late_reopenings.reopened_at
        end as added_from,
        case
            when watched.reopened_at > watched.decided_at then watched.first_completed_at
            when late_reopenings.order_id is not null then late_reopenings.previous_completed_at
            else watched.final_completed_at
        end as counted_completed_at,
        case
            when watched.reopened_at > watched.decided_at then watched.first_case_code
            else watched.case_code
        end as counted_case_code
    from watched
    left join late_reopenings
        on late_reopenings.order_id = watched.order_id and late_reopenings.reopening_no = 1
),

endings as (
    select
        settled.*,
        false as is_added,
        coalesce(
            counted_completed_at, case when status = 'cancelled' then cancelled_at end
        ) as ended_at,
        counted_case_code as ending_case_code
    from settled

    union all

    select
        settled.*,
        true as is_added,
        final_completed_at as ended_at,
        case_code as ending_case_code
    from settled
    where added_from is not null
)

select
    order_id,
    is_added,
    ended_at,
    {{ local_date('ended_at', 'time_zone') }} as ended_on,
    ending_case_code as case_code,
    counted_completed_at as completed_at,
    added_from,
    {{ local_date('added_from', 'time_zone') }} as added_from_on,
    service_type,
    dispatched_category,
    fault_family,
    stratum,
    area_id,
    time_zone,
    reported_on,
    first_completed_at,
    reopened_at,
    accountable_technician_id,
    has_visits,
    arrived_at,
    resolution
from endings
where ended_at is not null
