-- One row per order that ended and technician with a share in it: his share of a job done.
-- Counts for the day of final completion.
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_order_endings') }} where not is_added
),

credit as (
    select * from {{ ref('int_order_credit') }} where not is_added
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        credit.technician_id,
        orders.ended_at as anchored_at,
        orders.ended_on as business_date,
        orders.ended_at as matures_at,
        case
            when exclusions.case_code is not null then orders.case_code
            when credit.technician_id is null then 'technician_unknown'
        end as exclusion,
        cast(null as varchar) as failure,
        credit.share as numerator
    from orders
    inner join credit on credit.order_id = orders.order_id
    {{ join_exclusions('jobs') }}
)

select
    'jobs' as kpi_code,
    'work_orders' as feed,
    concat_ws('/', order_id, technician_id) as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    numerator as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
