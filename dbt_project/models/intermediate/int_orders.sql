-- One row per order: as it is now, as it was at dispatch, and how it was completed. Times in UTC.
with
night as (
    select * from {{ ref('stg_night') }}
),

versions as (
    select * from {{ ref('stg_work_orders_versions') }}
),

dispatched as (
    -- Difficulty is judged by what dispatch knew: the order's first version (handbook 2.12).
    select * from versions where version_no = 1
),

current_versions as (
    select * from versions where is_current
),

completions as (
    select * from {{ ref('int_order_completions') }}
),

customer_slots as (
    select
        order_id,
        slot_end,
        row_number() over (partition by order_id order by version_no) as slot_rank
    from versions
    where slot_requested_by = 'customer' and slot_end is not null
),

leads as (
    select * from {{ ref('int_order_leads') }}
),

families as (
    select * from {{ ref('fault_families') }}
),

areas as (
    select * from {{ ref('int_areas') }}
),

causes as (
    select * from {{ ref('cancellation_causes') }}
),

joined as (
    select
        current_versions.order_id,
        current_versions.technician_id,
        areas.area_id,
        areas.time_zone,
        areas.calendar_id,
        current_versions.customer_id,
        current_versions.appliance_serial,
        coalesce(current_versions.appliance_category, dispatched.appliance_category) as appliance_category,
        dispatched.service_type,
        dispatched.appliance_category as dispatched_category,
        dispatched.fault_code,
        coalesce(
            families.fault_family, nullif(split_part(dispatched.fault_code, '-', 1), '')
        ) as fault_family,
        current_versions.priority,
        current_versions.in_warranty,
        current_versions.status,
        current_versions.resolution,
        case
            when completions.order_id is null then current_versions.resolution
            else completions.first_resolution
        end as first_resolution,
        current_versions.reported_at,
        current_versions.assigned_at,
        current_versions.accepted_at,
        least(current_versions.arrived_at, leads.arrived_at) as arrived_at,
        -- A cancellation that was taken back never came to pass.
        case when current_versions.status = 'cancelled' then current_versions.cancelled_at end as cancelled_at,
        current_versions.cancel_cause,
        causes.is_excused as is_excused_cancellation,
        coalesce(causes.is_order, true) as is_order,
        least(current_versions.arrived_at, leads.departed_at)
        < current_versions.cancelled_at as departed_before_cancellation,
        customer_slots.slot_end as customer_slot_end,
        completions.first_completed_at,
        case
            when current_versions.status = 'completed' and current_versions.completed_at <= night.as_of
                then current_versions.completed_at
        end as final_completed_at,
        current_versions.status = 'completed' and current_versions.completed_at is null as is_completion_unknown,
        completions.reopened_at,
        -- Without visits the accountable technician is who held the order at first completion.
        coalesce(
            leads.accountable_technician_id,
            completions.first_completed_by,
            current_versions.technician_id
        ) as accountable_technician_id,
        leads.order_id is not null as has_visits,
        current_versions.follow_up_of,
        current_versions.updated_at
    from current_versions
    cross join night
    inner join dispatched on dispatched.order_id = current_versions.order_id
    inner join areas on areas.area_id = coalesce(current_versions.area_id, 'none')
    left join completions on completions.order_id = current_versions.order_id
    left join leads on leads.order_id = current_versions.order_id
    left join customer_slots
        on customer_slots.order_id = current_versions.order_id and customer_slots.slot_rank = 1
    left join causes
        on causes.cancel_cause = current_versions.cancel_cause
        and current_versions.status = 'cancelled'
        and {{ in_force('causes', local_date('current_versions.reported_at', 'areas.time_zone')) }}
    left join families
        on families.fault_code = dispatched.fault_code
        and {{ in_force('families', local_date('current_versions.reported_at', 'areas.time_zone')) }}
)

select
    joined.*,
    {{ local_date('reported_at', 'time_zone') }} as reported_on,
    -- What kind of job dispatch sent him to.
    concat_ws(
        '|',
        coalesce(service_type, '?'),
        coalesce(dispatched_category, '?'),
        coalesce(fault_family, '?')
    ) as stratum,
    -- The case as it is now, and as it stood at first completion: what counts for that moment is not moved
    -- by what a reopening brings (handbook 2.7 and 2.11).
    {{ case_of('resolution', "status = 'cancelled'") }} as case_code,
    {{ case_of('first_resolution', "status = 'cancelled' and first_completed_at is null") }} as first_case_code
from joined
