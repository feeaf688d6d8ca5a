-- One row per technician and day of a trip whose cost may be divided otherwise than the night published
-- last did: the claim has changed, or a visit that has part in it.
with
claims as (
    {{ ever_said('expenses', 'technician_id') }}
),

claimed as (
    select typed.technician_id, typed.incurred_on as day
    from {{ ref('base_expenses') }} as typed
    where typed.problems is null and typed.expense_id in ({{ touched_keys('expenses') }})
),

visited as (
    select typed.technician_id, cast(coalesce(typed.arrived_at, typed.slot_start, typed.updated_at) as date) as day
    from {{ ref('base_visits') }} as typed
    where typed.problems is null and typed.visit_id in ({{ touched_keys('visits') }})

    union

    {{ visits_of(ref('changed_orders')) }}
),

-- A correction that stood no more may have been about anything: all trips of whom it could concern.
corrected as (
    select corrections.target_feed, corrections.target_key
    from {{ ref('base_corrections') }} as corrections
    inner join {{ ref('touched_records') }} as touched
        on touched.feed = corrections.target_feed and touched.record_key = corrections.target_key
),

concerned as (
    select technician_id from claims
    where exists (select 1 from corrected where corrected.target_feed = 'expenses')

    union

    select visits.technician_id
    from corrected
    inner join {{ ref('base_visits') }} as visits on visits.visit_id = corrected.target_key
    where corrected.target_feed = 'visits'

    union

    select corrections.new_value as technician_id
    from {{ ref('base_corrections') }} as corrections
    inner join corrected
        on corrected.target_feed = corrections.target_feed and corrected.target_key = corrections.target_key
    where corrections.field = 'technician_id'
),

places as (
    select technician_id, day from claimed
    union
    select technician_id, day from visited
)

{{ trips_on('places') }}

union

select claims.technician_id, claims.incurred_on as day
from {{ ref('stg_expenses_history') }} as claims
inner join concerned on concerned.technician_id = claims.technician_id
where claims.trip_id is not null
