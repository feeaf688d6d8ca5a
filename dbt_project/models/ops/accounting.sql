-- One row per load: what became of every row it delivered. The four fates add up to what was delivered.
with
night as (
    select * from {{ ref('stg_night') }}
),

fates as (
    {% for feed in canonical_feeds() -%}
    select
        stored_load_id as load_id,
        count(*) filter (where is_current) as current_rows,
        count(*) filter (where not is_current) as superseded,
        0 as unchanged,
        0 as rejected
    from {{ ref('stg_' ~ feed ~ '_history') }}
    group by stored_load_id

    union all

    select load_id, 0 as current_rows, 0 as superseded, 0 as unchanged, count(*) as rejected
    from {{ ref('base_' ~ feed) }}
    where problems is not null
    group by load_id

    union all
    {% endfor %}
    select load_id, 0 as current_rows, 0 as superseded, count(*) as unchanged, 0 as rejected
    from {{ source('ops', 'unchanged_rows') }}
    group by load_id

    union all

    select load_id, 0 as current_rows, 0 as superseded, 0 as unchanged, count(*) as rejected
    from {{ source('ops', 'malformed_rows') }}
    group by load_id
),

summed as (
    select
        load_id,
        sum(current_rows) as current_rows,
        sum(superseded) as superseded,
        sum(unchanged) as unchanged,
        sum(rejected) as rejected
    from fates
    group by load_id
)

select
    loads.load_id,
    loads.feed,
    loads.business_date,
    loads.rows_delivered as delivered,
    cast(coalesce(summed.current_rows, 0) as bigint) as current_rows,
    cast(coalesce(summed.superseded, 0) as bigint) as superseded,
    cast(coalesce(summed.unchanged, 0) as bigint) as unchanged,
    cast(coalesce(summed.rejected, 0) as bigint) as rejected
from {{ source('ops', 'loads') }} as loads
-- What was delivered for a later date waits for its night.
inner join night on loads.business_date <= night.business_date
left join summed on summed.load_id = loads.load_id
