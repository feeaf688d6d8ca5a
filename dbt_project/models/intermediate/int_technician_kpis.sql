-- One row per technician, period and KPI: value, adjusted value, points, weight. Handbook 4 and 5.

-- Nothing to handle is handled well; what there is to handle still is not (handbook 3).
{%- set is_full -%}
policy.is_full_when_empty and policy.is_feed_there and not coalesce(summed.is_awaited, false)
{%- endset %}
with
policy as (
    select * from {{ ref('int_policy') }}
),

company as (
    select * from {{ ref('int_benchmarks') }} where stratum = 'all'
),

-- An available day is no record of a KPI: it only makes the others comparable. The events are read where
-- they are needed, here and for the medians: by one name for both they would be copied first, all of them.
summed as (
    select
        period_month,
        technician_id,
        kpi_code,
        sum(numerator) filter (where mature) as numerator,
        sum(denominator) filter (where mature) as denominator,
        sum(expected) filter (where mature) as expected,
        count(*) filter (where mature and feed <> 'roster') as n,
        count(*) filter (where not mature and feed <> 'roster') as n_immature,
        bool_or(next_change_at is not null) as is_awaited
    from {{ ref('int_period_events') }}
    where eligible and technician_id is not null
    group by period_month, technician_id, kpi_code
),

technician_periods as (
    select distinct summed.period_month, summed.technician_id
    from summed
    inner join {{ ref('int_periods') }} as periods on periods.period_month = summed.period_month
    where summed.n > 0 or summed.n_immature > 0
),

-- Medians do not add up: they are taken of the records.
medians as (
    select
        period_month,
        technician_id,
        kpi_code,
        cast(
            percentile_cont(0.5) within group (order by numerator) as decimal(28, 10)
        ) as median
    from {{ ref('int_period_events') }}
    where
        eligible
        and mature
        and technician_id is not null
        and kpi_code in (select policy.kpi_code from policy where policy.measure = 'median')
    group by period_month, technician_id, kpi_code
),

valued as (
    select
        technician_periods.period_month,
        technician_periods.technician_id,
        policy.kpi_code,
        policy.display_order,
        policy.family,
        policy.direction,
        policy.measure,
        policy.is_adjusted,
        policy.score_weight_limit,
        policy.score_families_limit,
        policy.weight,
        policy.floor,
        policy.target,
        policy.stretch,
        summed.numerator,
        summed.denominator,
        coalesce(summed.n, 0) as n,
        coalesce(summed.n_immature, 0) as n_immature,
        -- Days to work in alone measure nothing (handbook 2.10).
        case
            when coalesce(summed.n, 0) > 0 then summed.denominator > 0
            else {{ is_full }}
        end as available,
        case
            when policy.measure = 'count' then cast(summed.numerator as decimal(28, 10))
            when policy.measure = 'median' then medians.median
            when summed.n > 0 then {{ ratio('summed.numerator', 'summed.denominator') }}
            when {{ is_full }} then cast(policy.stretch as decimal(28, 10))
        end as raw_value,
        -- Failures are counted in records, whatever a record's denominator is (DECISIONS.md).
        case when policy.direction = 'up' then summed.denominator - summed.numerator else summed.numerator end
        * summed.n / nullif(summed.denominator, 0) as failures,
        summed.expected * summed.n / nullif(summed.denominator, 0) as expected,
        company.rate as company_rate,
        -- k prior records' worth of failures at the company's rate (handbook 4.3).
        policy.prior_records * company.rate as prior_failures
    from technician_periods
    inner join policy on policy.period_month = technician_periods.period_month
    left join summed
        on summed.period_month = technician_periods.period_month
        and summed.technician_id = technician_periods.technician_id
        and summed.kpi_code = policy.kpi_code
    left join medians
        on medians.period_month = technician_periods.period_month
        and medians.technician_id = technician_periods.technician_id
        and medians.kpi_code = policy.kpi_code
    left join company
        on company.period_month = technician_periods.period_month
        and company.kpi_code = policy.kpi_code
),

adjusted as (
    select
        valued.*,
        -- Without prior records (m = 0) and with nothing expected there is nothing to hold the raw rate against.
        case
            when available and is_adjusted
                then least(1, coalesce(
                        {{ ratio('company_rate * (failures + prior_failures)', 'expected + prior_failures') }},
                        {{ ratio('failures', 'n') }}
                    ))
        end as adjusted_failure_rate
    from valued
),

scored as (
    select
        adjusted.*,
        case
            when not available then null
            when not is_adjusted then raw_value
            when direction = 'up' then 1 - adjusted_failure_rate
            else adjusted_failure_rate
        end as adjusted_value
    from adjusted
),

pointed as (
    select
        scored.*,
        case when available and weight > 0 then {{ points('raw_value', 'scored') }} end as raw_points,
        case when available and weight > 0 then {{ points('adjusted_value', 'scored') }} end as points
    from scored
),

-- An unavailable KPI's weight goes to its family in proportion, then across families (handbook 5.2).
weighed as (
    select
        pointed.*,
        sum(weight) over family_rows as family_weight,
        sum(weight) filter (where available) over family_rows as available_in_family,
        sum(weight) filter (where available) over technician_rows as available_weight
    from pointed
    window
        family_rows as (partition by period_month, technician_id, family),
        technician_rows as (partition by period_month, technician_id)
),

families as (
    select
        period_month,
        technician_id,
        count(*) as available_families,
        sum(family_weight) as weight_of_available_families
    from (
        select distinct period_month, technician_id, family, family_weight
        from weighed
        where available and weight > 0
    ) as available_families
    group by period_month, technician_id
),

effective as (
    select
        weighed.*,
        coalesce(families.available_families, 0) as available_families,
        case
            when weighed.available and weighed.weight > 0 then {{ ratio(
                'weighed.weight * weighed.family_weight * 100',
                '(weighed.available_in_family * families.weight_of_available_families)'
            ) }}
        end as effective_weight
    from weighed
    left join families
        on families.period_month = weighed.period_month
        and families.technician_id = weighed.technician_id
),

decided as (
    select
        effective.*,
        coalesce(available_weight >= score_weight_limit, false)
        and available_families >= score_families_limit as is_scored,
        company_rate * sqrt(failures + prior_failures)
        / nullif(expected + prior_failures, 0) as standard_error,
        {{ slope('adjusted_value', 'effective') }} as slope
    from effective
)

select
    decided.period_month,
    0 as edition,
    decided.technician_id,
    decided.kpi_code,
    decided.display_order,
    decided.family,
    decided.direction,
    decided.measure,
    decided.numerator,
    decided.denominator,
    decided.n,
    decided.n_immature,
    decided.available,
    decided.raw_value,
    decided.adjusted_value,
    decided.raw_points,
    decided.points,
    decided.weight,
    decided.effective_weight,
    decided.stretch,
    decided.is_scored,
    case
        when decided.is_scored
            then cast(round(decided.effective_weight * decided.points / 100, 2) as decimal(7, 2))
    end as contribution,
    -- 95 % Wilson interval of the raw rate; means and indices have none.
    case
        when decided.available and decided.measure = 'rate'
            then greatest(0, {{ wilson_end('decided.raw_value', 'decided.n', '-') }})
    end as ci_low,
    case
        when decided.available and decided.measure = 'rate'
            then least(1, {{ wilson_end('decided.raw_value', 'decided.n', '+') }})
    end as ci_high,
    -- One standard error of the contribution (handbook 4.4); raw values scored as they are have none.
    cast(
        coalesce(decided.standard_error * decided.slope * decided.effective_weight / 100, 0) as decimal(20, 10)
    ) as contribution_error
from decided
