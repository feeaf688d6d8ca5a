-- One row per end of an order's work and technician with a share in it: his share of the parts used.
-- The denominator, his share of an order, becomes the benchmark cost per order of its stratum. An order
-- that took no part cost nothing; what is used after a late reopening only adds cost. Counts for the day
-- of final completion (cancelled: of cancellation).
with
night as (
    select * from {{ ref('stg_night') }}
),

endings as (
    select * from {{ ref('int_order_endings') }}
),

credit as (
    select * from {{ ref('int_order_credit') }}
),

-- A line is of the work during which it was first written.
lines as (
    select
        parts.order_id,
        parts.quantity_used * parts.unit_cost as cost,
        first_versions.updated_at as written_at
    from {{ ref('stg_parts') }} as parts
    inner join {{ ref('stg_parts_versions') }} as first_versions
        on first_versions.part_line_id = parts.part_line_id and first_versions.version_no = 1
),

used as (
    select
        endings.order_id,
        endings.is_added,
        sum(lines.cost) as cost
    from endings
    inner join lines
        on lines.order_id = endings.order_id
        and coalesce(lines.written_at >= endings.added_from, false) = endings.is_added
    group by endings.order_id, endings.is_added
),

judged as (
    select
        endings.order_id,
        endings.is_added,
        endings.stratum,
        credit.technician_id,
        endings.ended_at as anchored_at,
        endings.ended_on as business_date,
        endings.ended_at as matures_at,
        case
            when exclusions.case_code is not null then endings.case_code
            when credit.technician_id is null then 'technician_unknown'
        end as exclusion,
        cast(null as varchar) as failure,
        credit.share,
        coalesce(used.cost, 0) as cost
    from endings
    inner join credit on credit.order_id = endings.order_id and credit.is_added = endings.is_added
    left join used on used.order_id = endings.order_id and used.is_added = endings.is_added
    {{ join_exclusions('parts_cost_index', 'endings') }}
    where not endings.is_added or used.order_id is not null
)

select
    'parts_cost_index' as kpi_code,
    'work_orders' as feed,
    concat_ws('/', order_id, technician_id, case when is_added then 'added' end) as record_key,
    order_id,
    technician_id,
    judged.business_date,
    anchored_at,
    {{ verdict() }},
    cast(share * cost as decimal(20, 6)) as numerator,
    case when is_added then 0 else share end as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from judged
cross join night
