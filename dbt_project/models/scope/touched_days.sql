-- One row per technician and day of which a record has come, gone or changed; and of a month that begins
-- with this night all that is known of it already. In a rebuild, of all records.
{% set columns = [
    'kpi_code', 'feed', 'record_key', 'order_id', 'technician_id', 'business_date', 'anchored_at', 'eligible',
    'reason_code', 'mature', 'next_change_at', 'numerator', 'denominator', 'expected', 'stratum', 'evidence_ref',
] | join(', ') -%}
with
before as (
    select {{ columns }} from {{ ref('touched_events') }}
),

tonight as (
    select {{ columns }} from {{ ref('int_kpi_events') }}
),

changed as (
    {% if is_night() -%}
    (
        select {{ columns }} from before
        except
        select {{ columns }} from tonight
    )

    union all

    (
        select {{ columns }} from tonight
        except
        select {{ columns }} from before
    )
    {%- else -%}
    select technician_id, business_date from tonight
    {%- endif %}
),

new_periods as (
    select periods.period_month
    from {{ ref('int_periods') }} as periods
    left join {{ source('published', 'dim_periods') }} as published
        on published.period_month = periods.period_month
    where published.period_month is null
)

select technician_id, business_date
from changed
where technician_id is not null

union

select tonight.technician_id, tonight.business_date
from tonight
inner join new_periods
    on new_periods.period_month = cast(date_trunc('month', tonight.business_date) as date)
where tonight.technician_id is not null
