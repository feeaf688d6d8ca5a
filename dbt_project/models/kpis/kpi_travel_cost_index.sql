-- One row per claimed order and claimant, per order nobody claimed for, and per travel claim that does not count.
-- The numerator is approved travel; the denominator becomes the area's benchmark mean per claimed order.
-- A journey after a late reopening only adds cost to what was claimed before (handbook 2.11). Counts for
-- the day of final completion (cancelled: of cancellation).
with
night as (
    select * from {{ ref('stg_night') }}
),

endings as (
    select * from {{ ref('int_order_endings') }}
),

-- A journey is of the work during which it was made.
claims as (
    select
        claims.*,
        coalesce(claims.incurred_on >= endings.added_from_on, false) as is_added
    from {{ ref('int_travel_claims') }} as claims
    left join endings on endings.order_id = claims.order_id and not endings.is_added
),

ended as (
    select
        endings.*,
        exclusions.case_code is not null as is_excluded
    from endings
    {{ join_exclusions('travel_cost_index', 'endings') }}
),

approved as (
    select
        order_id,
        is_added,
        technician_id,
        sum(amount) as amount,
        max(updated_at) as approved_at,
        min({{ key_order('expense_id') }}) as expense_id
    from claims
    where status = 'approved' and order_id is not null
    group by order_id, is_added, technician_id
),

claimed as (
    select
        'work_orders' as feed,
        concat_ws(
            '/', ended.order_id, approved.technician_id, case when ended.is_added then 'added' end
        ) as record_key,
        ended.order_id,
        approved.technician_id,
        ended.ended_on as business_date,
        ended.ended_at as anchored_at,
        case when ended.is_excluded then ended.case_code end as exclusion,
        greatest(ended.ended_at, approved.approved_at) as matures_at,
        approved.amount as numerator,
        -- What is added to an order that is held against the mean already is cost alone.
        case when counted.order_id is null then 1 else 0 end as denominator,
        ended.area_id as stratum,
        approved.expense_id as evidence_ref
    from approved
    inner join ended on ended.order_id = approved.order_id and ended.is_added = approved.is_added
    left join approved as counted
        on counted.order_id = approved.order_id
        and counted.technician_id = approved.technician_id
        and approved.is_added
        and not counted.is_added
),

unclaimed as (
    select
        'work_orders' as feed,
        ended.order_id as record_key,
        ended.order_id,
        ended.accountable_technician_id as technician_id,
        ended.ended_on as business_date,
        ended.ended_at as anchored_at,
        case when ended.is_excluded then ended.case_code else 'no_claim' end as exclusion,
        ended.ended_at as matures_at,
        cast(0 as decimal(20, 6)) as numerator,
        1 as denominator,
        ended.area_id as stratum,
        cast(null as varchar) as evidence_ref
    from ended
    left join approved on approved.order_id = ended.order_id and not approved.is_added
    where not ended.is_added and approved.order_id is null
),

uncounted as (
    select
        'expenses' as feed,
        concat_ws('/', claims.expense_id, claims.order_id) as record_key,
        claims.order_id,
        claims.technician_id,
        coalesce(ended.ended_on, claims.incurred_on) as business_date,
        coalesce(ended.ended_at, cast(claims.incurred_on as timestamp)) as anchored_at,
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
        1 as denominator,
        ended.area_id as stratum,
        claims.expense_id as evidence_ref
    from claims
    left join ended on ended.order_id = claims.order_id and ended.is_added = claims.is_added
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
    denominator,
    stratum,
    evidence_ref
from records
cross join night
