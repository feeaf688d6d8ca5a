-- One row per order: when it is due, when it turns seven days old, and who held it at the moments that count.
-- A net limit of L ends at report + L + the excused pauses that begin before it ends. Pauses are merged
-- and in order, so a pause counts when it starts before report + L + the pauses before it.
with
orders as (
    select * from {{ ref('int_orders') }}
),

pauses as (
    select * from {{ ref('int_order_pauses') }}
),

versions as (
    select * from {{ ref('stg_work_orders_versions') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

limited as (
    select
        orders.order_id,
        orders.reported_at,
        orders.customer_slot_end,
        orders.first_completed_at,
        orders.cancelled_at,
        orders.accepted_at,
        orders.arrived_at,
        orders.time_zone,
        limits.on_time_limit * interval '1' hour as on_time_limit,
        limits.completion_limit * interval '1' day as completion_limit
    from orders
    inner join limits on limits.day = orders.reported_on
),

paused as (
    select
        limited.order_id,
        sum(pauses.ended_at - pauses.started_at) filter (
            where pauses.started_at < limited.reported_at + limited.on_time_limit + pauses.paused_before
        ) as on_time_pause,
        sum(pauses.ended_at - pauses.started_at) filter (
            where pauses.started_at < limited.reported_at + limited.completion_limit + pauses.paused_before
        ) as completion_pause,
        sum(least(pauses.ended_at, limited.first_completed_at) - pauses.started_at) filter (
            where pauses.started_at < limited.first_completed_at
        ) as pause_before_completion
    from limited
    inner join pauses on pauses.order_id = limited.order_id
    group by limited.order_id
),

timed as (
    select
        limited.*,
        -- A slot the customer asked for moves the limit out, never in (handbook case table).
        greatest(
            limited.reported_at + limited.on_time_limit + coalesce(paused.on_time_pause, interval '0' second),
            limited.customer_slot_end
        ) as due_at,
        greatest(
            limited.reported_at
            + limited.completion_limit
            + coalesce(paused.completion_pause, interval '0' second),
            limited.customer_slot_end
        ) as aged_at,
        greatest(limited.reported_at + limited.on_time_limit, limited.customer_slot_end) as gross_due_at,
        coalesce(paused.pause_before_completion, interval '0' second) as pause_before_completion
    from limited
    left join paused on paused.order_id = limited.order_id
),

-- The version that held at a moment is the last one of then, or the earliest where none is so old.
holders as (
    select
        timed.order_id,
        max(versions.version_no) filter (
            where versions.updated_at <= least(timed.due_at, timed.first_completed_at)
        ) as due_version,
        max(versions.version_no) filter (
            where versions.updated_at <= least(timed.gross_due_at, timed.first_completed_at)
        ) as gross_due_version,
        max(versions.version_no) filter (
            where versions.updated_at <= least(timed.customer_slot_end, timed.arrived_at)
        ) as slot_version,
        max(versions.version_no) filter (where versions.updated_at <= timed.aged_at) as aged_version,
        -- Never accepted, it went to who held it on arrival; before that it waits with who holds it now.
        max(versions.version_no) filter (
            where versions.updated_at <= coalesce(timed.accepted_at, timed.arrived_at, versions.updated_at)
        ) as accepted_version
    from timed
    inner join versions on versions.order_id = timed.order_id
    group by timed.order_id
),

-- One pass over the versions: a join for each moment, by a version number that was just computed, is planned
-- as if it found one order, and takes time that grows with the square of them.
held as (
    select
        versions.order_id,
        max(versions.technician_id) filter (
            where versions.version_no = coalesce(holders.due_version, 1)
        ) as due_technician_id,
        max(versions.technician_id) filter (
            where versions.version_no = coalesce(holders.gross_due_version, 1)
        ) as gross_due_technician_id,
        max(versions.technician_id) filter (
            where versions.version_no = coalesce(holders.slot_version, 1)
        ) as slot_technician_id,
        max(versions.technician_id) filter (
            where versions.version_no = coalesce(holders.aged_version, 1)
        ) as aged_technician_id,
        max(versions.technician_id) filter (
            where versions.version_no = coalesce(holders.accepted_version, 1)
        ) as accepting_technician_id
    from versions
    inner join holders on holders.order_id = versions.order_id
    group by versions.order_id
)

select
    timed.order_id,
    timed.due_at,
    timed.gross_due_at,
    timed.aged_at,
    {{ local_date('timed.aged_at', 'timed.time_zone') }} as aged_on,
    {{ seconds_between('timed.reported_at', 'timed.first_completed_at') }} / 60 as gross_minutes,
    {{ seconds_between('timed.reported_at + timed.pause_before_completion', 'timed.first_completed_at') }} / 60
        as net_minutes,
    held.due_technician_id,
    held.gross_due_technician_id,
    held.slot_technician_id,
    held.aged_technician_id,
    held.accepting_technician_id
from timed
inner join held on held.order_id = timed.order_id
