-- One row per order: first-time fix without any excuse for a further visit, beside the fair one.
with
fair as (
    select * from {{ ref('kpi_first_time_fix') }}
),

fixes as (
    select * from {{ ref('int_order_fixes') }}
)

{{ same_records(
    'first_time_fix_strict', of='fair',
    numerator='case when fixes.visit_count > 1 then 0 else events.numerator end',
    failure="case when events.numerator = 0 then events.reason_code when fixes.visit_count > 1 then 'further_visit' end"
) }}
left join fixes on fixes.order_id = events.order_id
