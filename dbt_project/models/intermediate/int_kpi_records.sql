-- One row per record a KPI judges: every row of every KPI file, in one shape.
-- A KPI counts from when the feed it rests on does, and without that feed there is nothing to judge.
{{ config(materialized='view') }}
{% set kpi_codes = [
    'csat_top2',
    'first_time_fix',
    'inspection',
    'complaint_rate',
    'complaint_handling',
    'on_time_24h',
    'completion',
    'workload_points',
    'duration_index',
    'response_time',
    'parts_cost_index',
    'travel_cost_index',
    'csat_mean',
    'nps',
    'survey_response_rate',
    'survey_sent_in_24h',
    'first_time_fix_strict',
    'repair_success',
    'repeat_repair_7d',
    'repeat_repair_30d',
    'minor_faults',
    'on_time_24h_gross',
    'on_time_arrival',
    'jobs',
    'mttr_mean',
    'mttr_median',
    'utilisation',
    'parts_return_rate',
] -%}
-- Of these the quantity itself (of which a record holds a share) is held to percentiles by the benchmark.
{% set trimmed = ['duration_index'] -%}
with
records as (
    {% for kpi_code in kpi_codes -%}
    select
        kpi_code,
        feed,
        record_key,
        order_id,
        technician_id,
        business_date,
        anchored_at,
        eligible,
        reason_code,
        mature,
        next_change_at,
        matures_at,
        cast(numerator as decimal(20, 6)) as numerator,
        cast(denominator as decimal(20, 6)) as denominator,
        {{ 'share' if kpi_code in trimmed else 'cast(null as decimal(9, 6))' }} as share,
        {{ 'quantity' if kpi_code in trimmed else 'cast(null as decimal(18, 6))' }} as quantity,
        stratum,
        evidence_ref
    from {{ ref('kpi_' ~ kpi_code) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    records.kpi_code,
    records.feed,
    records.record_key,
    records.order_id,
    records.technician_id,
    records.business_date,
    cast(date_trunc('month', records.business_date) as date) as period_month,
    records.anchored_at,
    records.eligible and records.business_date >= feeds.counts_from as eligible,
    case
        when records.eligible and records.business_date < feeds.counts_from then 'before_feed_start'
        else records.reason_code
    end as reason_code,
    records.mature,
    records.next_change_at,
    records.matures_at,
    records.numerator,
    records.denominator,
    records.share,
    records.quantity,
    records.stratum,
    records.evidence_ref
from records
inner join {{ ref('kpi_catalog') }} as catalog on catalog.kpi_code = records.kpi_code
inner join {{ ref('int_feeds') }} as feeds on feeds.feed = catalog.feed
