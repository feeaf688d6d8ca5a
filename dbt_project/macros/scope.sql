{# Orders that go on with these (a table of order_id), or that these go on with, two steps either way. #}
{% macro followed_from(orders) -%}
select order_id from {{ orders }}
union
select later.order_id
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as later on later.follow_up_of = orders.order_id
union
select last.order_id
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as later on later.follow_up_of = orders.order_id
inner join {{ ref('stg_work_orders_history') }} as last on last.follow_up_of = later.order_id
union
select earlier.follow_up_of as order_id
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as earlier on earlier.order_id = orders.order_id
union
select first.follow_up_of as order_id
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as earlier on earlier.order_id = orders.order_id
inner join {{ ref('stg_work_orders_history') }} as first on first.order_id = earlier.follow_up_of
{%- endmacro %}

{# What these orders say of their appliance in any version. #}
{% macro appliances_of(orders) -%}
select distinct history.appliance_serial, history.customer_id, history.appliance_category
from {{ ref('stg_work_orders_history') }} as history
where history.order_id in (select orders.order_id from {{ orders }} as orders)
{%- endmacro %}

{# Orders about these appliances: the same serial, or the same customer and a category that is not another one. #}
{% macro orders_about(appliances) -%}
select history.order_id
from {{ appliances }} as appliances
inner join {{ ref('stg_work_orders_history') }} as history
    on history.appliance_serial = appliances.appliance_serial
union
select history.order_id
from {{ appliances }} as appliances
inner join {{ ref('stg_work_orders_history') }} as history
    on history.customer_id = appliances.customer_id
    and coalesce(history.appliance_category, appliances.appliance_category, '?')
    = coalesce(appliances.appliance_category, history.appliance_category, '?')
{%- endmacro %}

{# Orders that a survey of these orders names in another of its versions. #}
{% macro asked_about_with(orders) -%}
select others.order_id
from {{ orders }} as orders
inner join {{ ref('stg_surveys_history') }} as surveys on surveys.order_id = orders.order_id
inner join {{ ref('stg_surveys_history') }} as others on others.survey_id = surveys.survey_id
where others.order_id <> surveys.order_id
{%- endmacro %}

{#
    Orders that a technician may have visited on one of these days (technician_id, day), in any zone: by
    a visit row, or as published by the one implied visit.
#}
{% macro orders_visited_on(technician_days) -%}
select visits.order_id
from {{ technician_days }} as days
inner join {{ ref('stg_visits_history') }} as visits
    on visits.technician_id = days.technician_id
    and coalesce(visits.arrived_at, visits.slot_start, visits.updated_at)
    >= cast(days.day as timestamp) - interval '1' day
    and coalesce(visits.arrived_at, visits.slot_start, visits.updated_at)
    < cast(days.day as timestamp) + interval '2' day
union
select orders.order_id
from {{ technician_days }} as days
inner join {{ source('published', 'fct_work_orders') }} as orders
    on orders.accountable_technician_id = days.technician_id
    and coalesce(orders.arrived_at, orders.first_completed_at) >= cast(days.day as timestamp) - interval '1' day
    and coalesce(orders.arrived_at, orders.first_completed_at) < cast(days.day as timestamp) + interval '2' day
{%- endmacro %}

{# Days on which these orders may have been visited, by whom, as they are published or as they are now. #}
{% macro visits_of(orders) -%}
select visits.technician_id, cast(coalesce(visits.arrived_at, visits.slot_start, visits.updated_at) as date) as day
from {{ orders }} as orders
inner join {{ ref('stg_visits_history') }} as visits on visits.order_id = orders.order_id
union
select published.accountable_technician_id, cast(coalesce(published.arrived_at, published.first_completed_at) as date)
from {{ orders }} as orders
inner join {{ source('published', 'fct_work_orders') }} as published on published.order_id = orders.order_id
union
select holders.technician_id, cast(coalesce(moments.arrived_at, moments.completed_at) as date)
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as moments on moments.order_id = orders.order_id
inner join {{ ref('stg_work_orders_history') }} as holders on holders.order_id = orders.order_id
union
select holders.technician_id, cast(moments.completed_at as date)
from {{ orders }} as orders
inner join {{ ref('stg_work_orders_history') }} as moments on moments.order_id = orders.order_id
inner join {{ ref('stg_work_orders_history') }} as holders on holders.order_id = orders.order_id
{%- endmacro %}

{# Of technicians' days (technician_id, day) those on which a trip may have been claimed, a day either way. #}
{% macro trips_on(technician_days) -%}
select distinct claims.technician_id, claims.incurred_on as day
from {{ technician_days }} as days
inner join {{ ref('stg_expenses_history') }} as claims
    on claims.technician_id = days.technician_id
    and claims.incurred_on >= days.day - interval '1' day
    and claims.incurred_on <= days.day + interval '1' day
where claims.trip_id is not null
{%- endmacro %}
