-- One row per order that ended and has a standard: the points and minutes agreed for its job, as dispatch knew it.
-- The most specific row in force when the order was reported counts (handbook 2.12); where nothing was or
-- could be repaired the diagnosis is the job (handbook case table).
with
orders as (
    select * from {{ ref('int_order_endings') }} where not is_added
),

matched as (
    select
        orders.order_id,
        orders.case_code in ('nothing_to_fix', 'irreparable_or_quote_refused') as is_diagnosis,
        standards.points,
        standards.minutes,
        standards.diagnosis_points,
        standards.diagnosis_minutes,
        row_number() over (
            partition by orders.order_id
            order by standards.fault_family nulls last, standards.appliance_category nulls last
        ) as nearness
    from orders
    inner join {{ ref('standard_work') }} as standards
        on standards.service_type = orders.service_type
        and coalesce(standards.appliance_category, orders.dispatched_category, '?')
        = coalesce(orders.dispatched_category, '?')
        and coalesce(standards.fault_family, orders.fault_family, '?') = coalesce(orders.fault_family, '?')
        and {{ in_force('standards', 'orders.reported_on') }}
)

select
    order_id,
    case when is_diagnosis then diagnosis_points else points end as points,
    case when is_diagnosis then diagnosis_minutes else minutes end as minutes
from matched
where nearness = 1
