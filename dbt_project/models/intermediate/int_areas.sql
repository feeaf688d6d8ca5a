-- One row per area, also those only an order or a technician names, with its time zone and calendar.
with
night as (
    select * from {{ ref('stg_night') }}
),

registered as (
    select * from {{ ref('stg_areas') }}
),

named as (
    select area_id from {{ ref('stg_work_orders') }} where area_id is not null
    union
    select area_id from {{ ref('stg_technicians') }} where area_id is not null
    union
    select area_id from registered
    {%- if is_night() %}
    union
    -- Which the records in scope do not name, others still may.
    select published.area_id
    from {{ source('published', 'dim_areas') }} as published
    where
        exists (
            select 1
            from {{ ref('stg_work_orders_history') }} as orders
            where orders.area_id = published.area_id and orders.is_current
        )
    {%- endif %}
    union
    -- Orders without an area fall here.
    select 'none' as area_id
)

select
    named.area_id,
    coalesce(registered.name, named.area_id) as name,
    registered.region,
    coalesce(registered.time_zone, night.time_zone) as time_zone,
    coalesce(registered.calendar_id, 'standard') as calendar_id,
    registered.area_id is not null as is_registered
from named
cross join night
left join registered on registered.area_id = named.area_id
