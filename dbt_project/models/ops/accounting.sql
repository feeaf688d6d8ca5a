-- One row per load: what became of every row it delivered. The four fates add up to what was delivered.
-- Each load is looked up on its own, so that the gate may ask for a few and read no more.
with
night as (
    select * from {{ ref('stg_night') }}
)

select
    loads.load_id,
    loads.feed,
    loads.business_date,
    loads.rows_delivered as delivered,
    cast(fates.current_rows as bigint) as current_rows,
    cast(fates.superseded as bigint) as superseded,
    cast(fates.unchanged as bigint) as unchanged,
    cast(fates.rejected as bigint) as rejected
from {{ source('ops', 'loads') }} as loads
-- What was delivered for a later date waits for its night.
inner join night on loads.business_date <= night.business_date
cross join lateral (
    select
        sum(current_rows) as current_rows,
        sum(superseded) as superseded,
        sum(unchanged) as unchanged,
        sum(rejected) as rejected
    from (
        {% for feed in canonical_feeds() -%}
        select
            count(*) filter (where is_current) as current_rows,
            count(*) filter (where not is_current) as superseded,
            0 as unchanged,
            0 as rejected
        from {{ ref('stg_' ~ feed ~ '_history') }}
        where loads.feed = '{{ feed }}' and stored_load_id = loads.load_id

        union all

        select 0 as current_rows, 0 as superseded, 0 as unchanged, count(*) as rejected
        from {{ ref('base_' ~ feed) }}
        where loads.feed = '{{ feed }}' and load_id = loads.load_id and problems is not null

        union all
        {% endfor %}
        select 0 as current_rows, 0 as superseded, count(*) as unchanged, 0 as rejected
        from {{ source('ops', 'unchanged_rows') }}
        where load_id = loads.load_id

        union all

        select 0 as current_rows, 0 as superseded, 0 as unchanged, count(*) as rejected
        from {{ source('ops', 'malformed_rows') }}
        where load_id = loads.load_id
    ) as found
) as fates
