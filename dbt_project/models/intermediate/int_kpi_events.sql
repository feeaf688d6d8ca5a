-- One row per record a KPI judges, with what its stratum lets expect; in a night of those it writes anew.
-- Published as fct_kpi_events, a view of this table: so publication may read it.
{{ config(grants={'select': ['fieldscore_audit', 'fieldscore_publish']}) }}
with
records as (
    select * from {{ ref('int_kpi_records') }}
    {%- if is_night() %}
    where
        order_id in (select orders.order_id from {{ ref('touched_orders') }} as orders)
        or (order_id is null and feed = 'roster')
        or (
            order_id is null
            and feed = 'expenses'
            and record_key in (select claims.expense_id from {{ ref('touched_claims') }} as claims)
        )
    {%- endif %}
),

benchmarks as (
    select * from {{ ref('int_stratum_benchmarks') }}
)

select
    records.kpi_code,
    records.feed,
    records.record_key,
    records.order_id,
    records.technician_id,
    records.business_date,
    records.period_month,
    records.anchored_at,
    records.eligible,
    records.reason_code,
    records.mature,
    records.next_change_at,
    -- A trimmed quantity is held to the percentiles of its stratum.
    case
        when benchmarks.low is not null and records.quantity is not null
            then cast(
                    records.share * greatest(benchmarks.low, least(benchmarks.high, records.quantity))
                    as decimal(20, 6)
                )
        else records.numerator
    end as numerator,
    -- A benchmarked index is measured against the mean of its stratum.
    cast(records.denominator * coalesce(benchmarks.mean, 1) as decimal(20, 6)) as denominator,
    cast(records.denominator * benchmarks.rate as decimal(20, 10)) as expected,
    records.stratum,
    records.evidence_ref
from records
left join benchmarks
    on benchmarks.period_month = records.period_month
    and benchmarks.kpi_code = records.kpi_code
    and benchmarks.stratum = coalesce(records.stratum, '?')
