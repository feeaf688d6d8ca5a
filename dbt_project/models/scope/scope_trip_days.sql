-- One row per technician and day of a trip that this night divides.
with
places as (
    {{ visits_of(ref('judged_orders')) }}
)

{{ trips_on('places') }}
union
select technician_id, day from {{ ref('changed_trip_days') }}
