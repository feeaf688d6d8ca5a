-- One row per pause a feed tells of: whether it stops its order's clock, and if not, why.
-- A pause that has not ended by the night is open: it runs to the night, at most as long as policy lets it.
-- One that was written down after completion counts only with evidence, and says so (handbook 2.3).
with
night as (
    select * from {{ ref('stg_night') }}
),

pauses as (
    select * from {{ ref('stg_pauses') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

owners as (
    select * from {{ ref('excused_pause_owners') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

timed as (
    select
        pauses.pause_id,
        pauses.order_id,
        pauses.owner,
        pauses.reason,
        pauses.evidence_ref,
        orders.accountable_technician_id,
        orders.order_id is not null as has_order,
        owners.owner is not null as is_excused,
        coalesce(pauses.entered_at > orders.first_completed_at, false) as is_late_entry,
        pauses.started_at,
        case
            when pauses.ended_at <= night.as_of then pauses.ended_at
            else least(night.as_of, pauses.started_at + limits.open_pause_limit * interval '1' day)
        end as ended_at
    from pauses
    cross join night
    left join orders on orders.order_id = pauses.order_id
    left join limits on limits.day = orders.reported_on
    left join owners
        on owners.owner = pauses.owner and {{ in_force('owners', 'orders.reported_on') }}
)

select
    timed.*,
    case
        when not has_order then 'order_unknown'
        when not is_excused then 'owner_not_excused'
        when ended_at <= started_at then 'ends_before_it_starts'
        when is_late_entry and evidence_ref is null then 'entered_late'
    end as reason_code
from timed
