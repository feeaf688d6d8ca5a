-- One row per technician and day on which it is asked anew whether he was there to work: the days since the
-- night published last, for everybody; all days of whoever changed, came or went; days of a changed roster.
with
night as (
    select * from {{ ref('stg_night') }}
),

days as (
    select day from {{ ref('int_days') }}
),

technicians as (
    select technician_id from {{ ref('int_technicians') }}
),

published as (
    select technician_id from {{ source('published', 'dim_technicians') }}
),

changed as (
    {{ touched_keys('technicians', 'technician_id') }}
    union
    select coalesce(technicians.technician_id, published.technician_id) as technician_id
    from technicians
    full join published on published.technician_id = technicians.technician_id
    where technicians.technician_id is null or published.technician_id is null
)

select changed.technician_id, days.day
from changed
cross join days

union

-- Zones differ by a day either way.
select technicians.technician_id, days.day
from technicians
cross join night
inner join days
    on days.day >= night.since_date - interval '1' day
    and days.day <= night.business_date + interval '2' day

union

select rostered.technician_id, rostered.day
from ({{ touched_keys('roster') }}) as rostered (technician_id, day)
