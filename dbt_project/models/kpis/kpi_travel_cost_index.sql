-- One row per claimed order and claimant, per order nobody claimed for, and per travel claim that does not count.
-- The numerator is approved travel; the denominator becomes the area's benchmark mean per claimed order.
-- Counts for the day of final completion (cancelled: of cancellation).
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

claims as (
    select * from {{ ref('int_travel_claims') }}
),

ended as (
    select
        orders.order_id,
        orders.area_id,
        orders.case_code,
        orders.reported_on,
        orders.accountable_technician_id,
        coalesce(orders.final_completed_at, orders.cancelled_at) as anchored_at,
        {{ local_date(
            'coalesce(orders.final_completed_at, orders.cancelled_at)', 'orders.time_zone'
        ) }} as business_date,
        exclusions.case_code is not null as is_excluded
    from orders
    {{ join_exclusions('travel_cost_index') }}
    where coalesce(orders.final_completed_at, orders.cancelled_at) is not null
),

approved as (
    select
        order_id,
        technician_id,
        sum(amount) as amount,
        max(updated_at) as approved_at,
        min({{ key_order('expense_id') }}) as expense_id
    from claims
    where status = 'approved' and order_id is not null
    group by order_id, technician_id
),

claimed as (
    select
        'work_orders' as feed,
        concat_ws('/', ended.order_id, approved.technician_id) as record_key,
        ended.order_id,
        approved.technician_id,
        ended.business_date,
        ended.anchored_at,
        case when ended.is_excluded then ended.case_code end as exclusion,
        greatest(ended.anchored_at, approved.approved_at) as matures_at,
        approved.amount as numerator,
        ended.area_id as stratum,
        approved.expense_id as evidence_ref
    from approved
    inner join ended on ended.order_id = approved.order_id
),

unclaimed as (
    select
        'work_orders' as feed,
        ended.order_id as record_key,
        ended.order_id,
        ended.accountable_technician_id as technician_id,
        ended.business_date,
        ended.anchored_at,
        case when ended.is_excluded then ended.case_code else 'no_claim' end as exclusion,
        ended.anchored_at as matures_at,
        cast(0 as decimal(20, 6)) as numerator,
        ended.area_id as stratum,
        cast(null as varchar) as evidence_ref
    from ended
    left join approved on approved.order_id = ended.order_id
    where approved.order_id is null
),

uncounted as (
    select
        'expenses' as feed,
        concat_ws('/', claims.expense_id, claims.order_id) as record_key,
        claims.order_id,
        claims.technician_id,
        coalesce(ended.business_date, claims.incurred_on) as business_date,
        coalesce(ended.anchored_at, cast(claims.incurred_on as timestamp)) as anchored_at,
        case
            when claims.order_id is null then 'order_unknown'
            when claims.status = 'rejected' then 'claim_rejected'
            when claims.status = 'approved' then 'order_still_open'
        end as exclusion,
        -- A claim nobody decided on waits for a decision, not for time.
        case
            when claims.order_id is null or claims.status = 'rejected' then claims.updated_at
        end as matures_at,
        claims.amount as numerator,
        ended.area_id as stratum,
        claims.expense_id as evidence_ref
    from claims
    left join ended on ended.order_id = claims.order_id
    where claims.status <> 'approved' or ended.order_id is null
),

records as (
    select *, cast(null as varchar) as failure from claimed
    union all
    select *, cast(null as varchar) as failure from unclaimed
    union all
    select *, cast(null as varchar) as failure from uncounted
)

select
    'travel_cost_index' as kpi_code,
    feed,
    record_key,
    order_id,
    technician_id,
    records.business_date,
    anchored_at,
    {{ verdict() }},
    numerator,
    1 as denominator,
    stratum,
    evidence_ref
from records
cross join night
