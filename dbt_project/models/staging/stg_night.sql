-- One row: the night being worked on, and the one published last, whose marts it goes on from. The only
-- place a model learns what time it is. A rebuild goes on from nothing.
{{ config(materialized='view') }}
select
    night.run_id,
    night.business_date,
    night.as_of,
    night.time_zone,
    published.business_date as since_date,
    published.as_of as since_as_of,
    runs.last_load_id as since_load_id
from {{ source('ops', 'night') }} as night
inner join {{ source('ops', 'runs') }} as this_run on this_run.run_id = night.run_id
left join {{ source('published', 'publication') }} as published on this_run.rebuilt_because is null
left join {{ source('ops', 'runs') }} as runs on runs.run_id = published.run_id
