-- One row per technician and day of a trip whose cost may be divided otherwise than the night published
-- last did: the claim has changed, or a visit that has part in it. Both are looked for wherever any version
-- or correction of the record ever put them.
with
claimed as (
    select technicians.technician_id, days.incurred_on as day
    from ({{ ever_said('expenses', 'technician_id', keyed=true) }}) as technicians
    inner join ({{ ever_said('expenses', 'incurred_on', keyed=true) }}) as days
        on days.record_key = technicians.record_key
),

visitors as (
    {{ ever_said('visits', 'technician_id', keyed=true) }}
),

visited as (
    {% for moment in ['arrived_at', 'slot_start', 'updated_at'] -%}
    select visitors.technician_id, cast(moments.{{ moment }} as date) as day
    from visitors
    inner join ({{ ever_said('visits', moment, keyed=true) }}) as moments
        on moments.record_key = visitors.record_key

    union

    {% endfor -%}
    {{ visits_of(ref('changed_orders')) }}
),

places as (
    select technician_id, day from claimed
    union
    select technician_id, day from visited
)

{{ trips_on('places') }}
