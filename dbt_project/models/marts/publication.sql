-- One row: the night these marts show.
with
night as (
    select * from {{ ref('stg_night') }}
),

runs as (
    select * from {{ source('ops', 'runs') }}
)

select
    night.run_id,
    night.business_date,
    night.as_of,
    -- Set by publication, in its transaction.
    cast(null as timestamp) as published_at,
    runs.code_version,
    runs.policy_version
from night
inner join runs on runs.run_id = night.run_id
