{#
    What is found of a table for each row of what stands before, looked up by an index. A night follows few
    keys, but joins upon joins are guessed to find a hundred times what they do, and whole histories would be
    read for them.
#}
{% macro looked_up(table, columns, condition) -%}
cross join lateral (
    select {{ columns }}
    from {{ table }} as found
    where {{ condition }}
    {{ computed_once() }}
)
{%- endmacro %}

{% macro order_versions(columns, condition) -%}
{{ looked_up(ref('stg_work_orders_history'), columns, condition) }}
{%- endmacro %}

{# Orders that go on with these (a table of order_id), or that these go on with, two steps either way. #}
{% macro followed_from(orders) -%}
select order_id from {{ orders }}
union
select later.order_id
from {{ orders }} as orders
{{ order_versions('found.order_id', 'found.follow_up_of = orders.order_id') }} as later
union
select last.order_id
from {{ orders }} as orders
{{ order_versions('found.order_id', 'found.follow_up_of = orders.order_id') }} as later
{{ order_versions('found.order_id', 'found.follow_up_of = later.order_id') }} as last
union
select earlier.follow_up_of as order_id
from {{ orders }} as orders
{{ order_versions('found.follow_up_of', 'found.order_id = orders.order_id') }} as earlier
union
select first.follow_up_of as order_id
from {{ orders }} as orders
{{ order_versions('found.follow_up_of', 'found.order_id = orders.order_id') }} as earlier
{{ order_versions('found.follow_up_of', 'found.order_id = earlier.follow_up_of') }} as first
{%- endmacro %}

{# What these orders say of their appliance in any version. #}
{% macro appliances_of(orders) -%}
select distinct said.appliance_serial, said.customer_id, said.appliance_category
from {{ orders }} as orders
{{ order_versions(
    'found.appliance_serial, found.customer_id, found.appliance_category', 'found.order_id = orders.order_id'
) }} as said
{%- endmacro %}

{# Orders about these appliances: the same serial, or the same customer and a category that is not another one. #}
{% macro orders_about(appliances) -%}
select same.order_id
from {{ appliances }} as appliances
{{ order_versions('found.order_id', 'found.appliance_serial = appliances.appliance_serial') }} as same
union
select theirs.order_id
from {{ appliances }} as appliances
{{ order_versions(
    'found.order_id, found.appliance_category', 'found.customer_id = appliances.customer_id'
) }} as theirs
where
    coalesce(theirs.appliance_category, appliances.appliance_category, '?')
    = coalesce(appliances.appliance_category, theirs.appliance_category, '?')
{%- endmacro %}

{# Orders that a survey of these orders names in another of its versions. #}
{% macro asked_about_with(orders) -%}
select others.order_id
from {{ orders }} as orders
{{ looked_up(ref('stg_surveys_history'), 'found.survey_id', 'found.order_id = orders.order_id') }} as surveys
{{ looked_up(ref('stg_surveys_history'), 'found.order_id', 'found.survey_id = surveys.survey_id') }} as others
where others.order_id <> orders.order_id
{%- endmacro %}

{#
    Orders that a technician may have visited on one of these days (technician_id, day), in any zone: by
    a visit row, or as published by the one implied visit.
#}
{% macro orders_visited_on(technician_days) -%}
select visits.order_id
from {{ technician_days }} as days
{{ looked_up(
    ref('stg_visits_history'), 'found.order_id',
    "found.technician_id = days.technician_id"
    ~ " and coalesce(found.arrived_at, found.slot_start, found.updated_at)"
    ~ " >= cast(days.day as timestamp) - interval '1' day"
    ~ " and coalesce(found.arrived_at, found.slot_start, found.updated_at)"
    ~ " < cast(days.day as timestamp) + interval '2' day"
) }} as visits
union
select orders.order_id
from {{ technician_days }} as days
{{ looked_up(
    source('published', 'fct_work_orders'), 'found.order_id',
    "found.accountable_technician_id = days.technician_id"
    ~ " and coalesce(found.arrived_at, found.first_completed_at) >= cast(days.day as timestamp) - interval '1' day"
    ~ " and coalesce(found.arrived_at, found.first_completed_at) < cast(days.day as timestamp) + interval '2' day"
) }} as orders
{%- endmacro %}

{# Days on which these orders may have been visited, by whom, as they are published or as they are now. #}
{% macro visits_of(orders) -%}
select visits.technician_id, cast(coalesce(visits.arrived_at, visits.slot_start, visits.updated_at) as date) as day
from {{ orders }} as orders
{{ looked_up(
    ref('stg_visits_history'), 'found.technician_id, found.arrived_at, found.slot_start, found.updated_at',
    'found.order_id = orders.order_id'
) }} as visits
union
select published.accountable_technician_id, cast(coalesce(published.arrived_at, published.first_completed_at) as date)
from {{ orders }} as orders
{{ looked_up(
    source('published', 'fct_work_orders'),
    'found.accountable_technician_id, found.arrived_at, found.first_completed_at', 'found.order_id = orders.order_id'
) }} as published
union
select holders.technician_id, cast(coalesce(moments.arrived_at, moments.completed_at) as date)
from {{ orders }} as orders
{{ order_versions('found.arrived_at, found.completed_at', 'found.order_id = orders.order_id') }} as moments
{{ order_versions('found.technician_id', 'found.order_id = orders.order_id') }} as holders
union
select holders.technician_id, cast(moments.completed_at as date)
from {{ orders }} as orders
{{ order_versions('found.completed_at', 'found.order_id = orders.order_id') }} as moments
{{ order_versions('found.technician_id', 'found.order_id = orders.order_id') }} as holders
{%- endmacro %}

{# Of technicians' days (technician_id, day) those on which a trip may have been claimed, a day either way. #}
{% macro trips_on(technician_days) -%}
select distinct claims.technician_id, claims.day
from {{ technician_days }} as days
{{ looked_up(
    ref('stg_expenses_history'), 'found.technician_id, found.incurred_on as day',
    "found.technician_id = days.technician_id and found.trip_id is not null"
    ~ " and found.incurred_on >= days.day - interval '1' day"
    ~ " and found.incurred_on <= days.day + interval '1' day"
) }} as claims
{%- endmacro %}
