-- One row per recognition: what it brings, and if nothing, why.
-- It needs evidence and an approval; of one customer and quarter a technician's first one counts, and all
-- of a month bring at most the cap, which is a line of its own (handbook 5.4).
with
recognitions as (
    select
        recognitions.recognition_id,
        recognitions.technician_id,
        recognitions.order_id,
        recognitions.kind,
        recognitions.occurred_on,
        recognitions.evidence_ref,
        recognitions.approved_by,
        coalesce(recognitions.customer_id, orders.customer_id) as customer_id
    from {{ ref('stg_recognitions') }} as recognitions
    left join {{ ref('int_orders') }} as orders on orders.order_id = recognitions.order_id
),

judged as (
    select
        recognitions.*,
        policy.points,
        case
            when recognitions.occurred_on < feeds.counts_from then 'before_feed_start'
            when evidence_ref is null then 'no_evidence'
            when approved_by is null then 'not_approved'
            when customer_id is null then 'customer_unknown'
            when policy.points is null then 'no_points_agreed'
        end as exclusion
    from recognitions
    left join {{ ref('int_feeds') }} as feeds on feeds.feed = 'recognitions'
    left join {{ ref('recognition_points') }} as policy
        on policy.recognition_kind = recognitions.kind
        and {{ in_force('policy', 'recognitions.occurred_on') }}
),

ranked as (
    select
        judged.*,
        row_number() over (
            partition by
                technician_id,
                customer_id,
                cast(date_trunc('quarter', occurred_on) as date),
                exclusion is null
            order by occurred_on, {{ key_order('recognition_id') }}
        ) as place_in_quarter
    from judged
)

select
    recognition_id,
    technician_id,
    cast(date_trunc('month', occurred_on) as date) as period_month,
    order_id,
    kind,
    occurred_on,
    evidence_ref,
    exclusion is null and place_in_quarter = 1 as eligible,
    coalesce(exclusion, case when place_in_quarter > 1 then 'same_customer_and_quarter' end) as reason_code,
    case
        when exclusion is null and place_in_quarter = 1 then cast(round(points, 2) as decimal(7, 2))
    end as points
from ranked
