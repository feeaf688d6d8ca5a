-- One row per repair that ended: did it stay done for the short repeat limit, on however many
-- visits? Counts as its repeats do.
with
repeats as (
    select * from {{ ref('kpi_repeat_repair_7d') }}
),

orders as (
    select * from {{ ref('int_orders') }} where service_type = 'repair'
)

{{ same_records(
    'repair_success', of='repeats', numerator='1 - events.numerator', failure='events.reason_code'
) }}
inner join orders on orders.order_id = events.order_id
