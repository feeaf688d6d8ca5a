-- One row per technician, also those only an order, a visit, a parts line or an expense names, as of the night.
with
registered as (
    select * from {{ ref('stg_technicians') }}
),

named as (
    select technician_id from {{ ref('stg_work_orders_versions') }} where technician_id is not null
    union
    select technician_id from {{ ref('stg_expenses') }}
    union
    select technician_id from {{ ref('stg_visits') }}
    union
    select technician_id from {{ ref('stg_parts') }}
    union
    select technician_id from registered
    {%- if is_night() %}
    -- Whom the records in scope do not name, others still may.
    union
    select published.technician_id
    from {{ source('published', 'dim_technicians') }} as published
    where
        exists (
            select 1
            from {{ ref('stg_work_orders_history') }} as orders
            where orders.technician_id = published.technician_id
        )
    {%- for feed in ['expenses', 'visits', 'parts'] %}
    union
    select published.technician_id
    from {{ source('published', 'dim_technicians') }} as published
    where
        exists (
            select 1
            from {{ ref('stg_' ~ feed ~ '_history') }} as records
            where records.technician_id = published.technician_id and records.is_current
        )
    {%- endfor %}
    {%- endif %}
)

select
    named.technician_id,
    coalesce(registered.name, named.technician_id) as name,
    coalesce(registered.area_id, 'none') as area_id,
    registered.team_id,
    registered.grade,
    registered.hired_on,
    registered.left_on,
    registered.technician_id is not null as is_registered
from named
left join registered on registered.technician_id = named.technician_id
