-- One row per order with visit rows: who led its visits, and what they tell of the order.
-- The accountable technician led the last visit that fixed it at or before first completion, else the
-- last visit (handbook 2.5). What happened after a reopening changes nobody's first completion (2.4, 2.11).
with
visits as (
    select * from {{ ref('int_order_visits') }}
),

numbered as (
    select
        order_id,
        min(departed_at) as departed_at,
        min(arrived_at) as arrived_at,
        max(visit_no) filter (where outcome = 'fixed' and is_before_completion) as fixing_visit_no,
        max(visit_no) filter (where is_before_completion) as completing_visit_no,
        max(visit_no) filter (where reopened_at is null) as last_visit_no
    from visits
    group by order_id
)

select
    numbered.order_id,
    least(numbered.departed_at, numbered.arrived_at) as departed_at,
    numbered.arrived_at,
    accountable.technician_id as accountable_technician_id
from numbered
left join visits as accountable
    on accountable.order_id = numbered.order_id
    and accountable.visit_no
    = coalesce(numbered.fixing_visit_no, numbered.completing_visit_no, numbered.last_visit_no)
