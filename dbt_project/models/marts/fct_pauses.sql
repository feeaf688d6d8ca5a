-- One row per pause: whether it stops its order's clock, and if not, why.
select
    pause_id,
    order_id,
    accountable_technician_id as technician_id,
    owner,
    reason,
    started_at,
    ended_at,
    reason_code is null as eligible,
    reason_code,
    is_late_entry,
    evidence_ref
from {{ ref('int_pauses') }}
{%- if is_night() %}
where
    order_id in (select touched.order_id from {{ ref('touched_orders') }} as touched)
    or pause_id in (select touched.pause_id from {{ ref('touched_pauses') }} as touched)
{%- endif %}
