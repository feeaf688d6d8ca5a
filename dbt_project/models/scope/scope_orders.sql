-- One row per order that this night's models look at: those judged and, as deep as the models read, those
-- their records are judged by (the same appliance twice over, since a repeat goes to the nearest of several,
-- and what goes on with each; a survey, trip or recognition of both).
with
judged as (
    select * from {{ ref('judged_orders') }}
),

appliances as (
    {{ appliances_of('judged') }}
),

neighbours as (
    {{ orders_about('appliances') }}
),

their_appliances as (
    {{ appliances_of('neighbours') }}
),

near as (
    {{ orders_about('their_appliances') }}
    union
    select order_id from neighbours
    union
    select order_id from judged
),

looked_at as (
    {{ followed_from('near') }}
    union
    {{ asked_about_with('judged') }}
    union
    {{ orders_visited_on(ref('scope_trip_days')) }}
    union
    select honours.order_id
    from {{ ref('stg_recognitions_history') }} as honours
    inner join {{ ref('touched_honours') }} as touched on touched.technician_id = honours.technician_id
)

select order_id
from looked_at
where order_id is not null
