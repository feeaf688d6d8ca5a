-- One row per order whose rows this night writes anew: the changed ones, and those that read them (the same
-- appliance, what goes on with it, a survey or a trip of both). Their old places are in the published marts,
-- whoever they have gone to.
with
roots as (
    select order_id from {{ ref('changed_orders') }}
    union
    select follow_up_of from ({{ ever_said('work_orders', 'follow_up_of') }}) as earlier
),

followed as (
    {{ followed_from('roots') }}
),

-- Also the appliance that a changed order was thought to be about.
appliances as (
    {{ appliances_of('followed') }}
    union
    select typed.appliance_serial, typed.customer_id, typed.appliance_category
    from {{ ref('base_work_orders') }} as typed
    where typed.problems is null and typed.order_id in ({{ touched_keys('work_orders') }})
    union
    select serials.appliance_serial, null as customer_id, null as appliance_category
    from ({{ ever_said('work_orders', 'appliance_serial') }}) as serials
    union
    select null as appliance_serial, typed.customer_id, null as appliance_category
    from {{ ref('base_work_orders') }} as typed
    inner join {{ ref('base_corrections') }} as corrections
        on corrections.target_feed = 'work_orders'
        and corrections.target_key = typed.order_id
        and corrections.field = 'appliance_category'
    where typed.order_id in ({{ touched_keys('work_orders') }})
),

neighbours as (
    {{ orders_about('appliances') }}
    union
    select order_id from followed
),

their_appliances as (
    {{ appliances_of('neighbours') }}
),

touched as (
    {{ orders_about('their_appliances') }}
    union
    select order_id from neighbours
    union
    {{ asked_about_with(ref('changed_orders')) }}
    union
    {{ orders_visited_on(ref('changed_trip_days')) }}
)

select order_id
from touched
where order_id is not null
