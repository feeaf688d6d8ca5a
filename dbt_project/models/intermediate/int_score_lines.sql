-- One row per line of a technician's explanation; the lines of a score add up to it, to 1/100.
-- Recognitions come after the KPIs, and what is above their cap goes off in a line of its own.
-- Exact parts in 1/100 of a point are rounded down, and what is missing to the KPI's contribution goes to
-- the largest remainders; ties by anchor time, then key in byte order (handbook 5.3).
-- The planner would sort all events on disk to meet the few KPIs that lost points; hashing takes half the time.
{{ config(sql_header=without_merge_joins()) }}
with
kpis as (
    select * from {{ ref('int_technician_kpis') }} where is_scored and weight > 0
),

events as (
    select * from {{ ref('int_period_events') }} where eligible and mature
),

losing as (
    select
        kpis.period_month,
        kpis.technician_id,
        kpis.kpi_code,
        events.feed,
        events.record_key,
        events.anchored_at,
        events.reason_code,
        events.evidence_ref,
        (100 - kpis.raw_points) * kpis.weight as points_lost,
        case
            when kpis.measure = 'rate' and kpis.direction = 'up' then events.denominator - events.numerator
            when kpis.measure = 'rate' then events.numerator
            when kpis.direction = 'up' then kpis.stretch * events.denominator - events.numerator
            else events.numerator - kpis.stretch * events.denominator
        end as failure_weight
    from kpis
    inner join events
        on events.period_month = kpis.period_month
        and events.technician_id = kpis.technician_id
        and events.kpi_code = kpis.kpi_code
    -- A workload that falls short has no event to blame: it is one line.
    where kpis.raw_points < 100 and kpis.measure <> 'volume'
),

shared as (
    select
        losing.*,
        sum(failure_weight) over (partition by period_month, technician_id, kpi_code) as failure_weight_total
    from losing
    where failure_weight > 0
),

parts as (
    select
        period_month, technician_id, kpi_code, 1 as kind_order, 'full_marks' as line_kind,
        weight * 100 as exact,
        cast(null as varchar) as evidence_feed, cast(null as varchar) as evidence_key,
        cast(null as timestamp) as anchored_at, cast(null as varchar) as reason
    from kpis

    union all

    select
        period_month, technician_id, kpi_code, 2 as kind_order, 'event' as line_kind,
        -points_lost * failure_weight / failure_weight_total as exact,
        feed as evidence_feed, record_key as evidence_key,
        anchored_at, nullif(concat_ws(' ', reason_code, evidence_ref), '') as reason
    from shared

    union all

    select
        period_month, technician_id, kpi_code, 2 as kind_order, 'shortfall' as line_kind,
        -(100 - raw_points) * weight as exact,
        null as evidence_feed, null as evidence_key,
        null as anchored_at, 'below the standard of the grade' as reason
    from kpis
    where measure = 'volume' and raw_points < 100

    union all

    select
        period_month, technician_id, kpi_code, 3 as kind_order, 'adjustment' as line_kind,
        (points - raw_points) * weight as exact,
        null as evidence_feed, null as evidence_key,
        null as anchored_at, 'difficulty and small numbers' as reason
    from kpis
    where available and points <> raw_points

    union all

    select
        period_month, technician_id, kpi_code, 4 as kind_order, 'unavailable' as line_kind,
        -weight * 100 as exact,
        null as evidence_feed, null as evidence_key,
        null as anchored_at, 'nothing to measure in this period' as reason
    from kpis
    where not available

    union all

    select
        period_month, technician_id, kpi_code, 5 as kind_order, 'redistribution' as line_kind,
        (effective_weight - weight) * points as exact,
        null as evidence_feed, null as evidence_key,
        null as anchored_at, 'weight of what could not be measured' as reason
    from kpis
    where available and effective_weight <> weight
),

floored as (
    select
        parts.*,
        floor(cast(exact as decimal(38, 12))) as whole,
        row_number() over kpi_lines as remainder_rank,
        sum(floor(cast(exact as decimal(38, 12)))) over (
            partition by period_month, technician_id, kpi_code
        ) as whole_total
    from parts
    window kpi_lines as (
        partition by period_month, technician_id, kpi_code
        order by
            cast(exact as decimal(38, 12)) - floor(cast(exact as decimal(38, 12))) desc,
            anchored_at nulls last,
            {{ key_order('evidence_key') }} nulls last,
            kind_order
    )
),

kpi_lines as (
    select
        floored.period_month,
        floored.technician_id,
        kpis.display_order,
        floored.kind_order,
        floored.anchored_at,
        floored.kpi_code,
        floored.line_kind,
        floored.whole
        + case
            when floored.remainder_rank <= coalesce(kpis.contribution, 0) * 100 - floored.whole_total then 1
            else 0
        end as points,
        floored.evidence_feed,
        floored.evidence_key,
        floored.reason
    from floored
    inner join kpis
        on kpis.period_month = floored.period_month
        and kpis.technician_id = floored.technician_id
        and kpis.kpi_code = floored.kpi_code
),

scored as (
    select distinct period_month, technician_id from kpis
),

recognition_lines as (
    select
        scored.period_month,
        scored.technician_id,
        1000 as display_order,
        1 as kind_order,
        cast(recognitions.occurred_on as timestamp) as anchored_at,
        cast(null as varchar) as kpi_code,
        'recognition' as line_kind,
        recognitions.points * 100 as points,
        'recognitions' as evidence_feed,
        recognitions.recognition_id as evidence_key,
        concat_ws(' ', recognitions.kind, recognitions.evidence_ref) as reason
    from scored
    inner join {{ ref('int_period_recognitions') }} as recognitions
        on recognitions.period_month = scored.period_month
        and recognitions.technician_id = scored.technician_id
    where recognitions.eligible
),

cap_lines as (
    select
        recognition_lines.period_month,
        recognition_lines.technician_id,
        1000 as display_order,
        2 as kind_order,
        cast(null as timestamp) as anchored_at,
        cast(null as varchar) as kpi_code,
        'cap' as line_kind,
        max(periods.recognition_cap_limit) * 100 - sum(recognition_lines.points) as points,
        cast(null as varchar) as evidence_feed,
        cast(null as varchar) as evidence_key,
        'recognitions bring no more' as reason
    from recognition_lines
    inner join {{ ref('int_periods') }} as periods on periods.period_month = recognition_lines.period_month
    group by recognition_lines.period_month, recognition_lines.technician_id
    having sum(recognition_lines.points) > max(periods.recognition_cap_limit) * 100
),

all_lines as (
    select * from kpi_lines
    union all
    select * from recognition_lines
    union all
    select * from cap_lines
)

select
    period_month,
    0 as edition,
    technician_id,
    row_number() over (
        partition by period_month, technician_id
        order by
            display_order,
            kind_order,
            anchored_at nulls last,
            {{ key_order('evidence_key') }} nulls last
    ) as line_no,
    kpi_code,
    line_kind,
    cast(points as integer) as points,
    evidence_feed,
    evidence_key,
    reason
from all_lines
