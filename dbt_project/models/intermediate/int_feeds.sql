-- One row per feed that is declared and has delivered something: the day from which it counts.
-- By its declaration, else the first day of the month of its earliest event, as the project's zone has
-- it (handbook 1 and 2.2).
{% set moments = {
    'work_orders': 'reported_at',
    'surveys': 'sent_at',
    'visits': 'coalesce(arrived_at, slot_start, updated_at)',
    'pauses': 'started_at',
    'complaints': 'received_at',
    'inspections': 'inspected_at',
    'parts': 'updated_at',
} -%}
{% set days = {
    'expenses': 'incurred_on',
    'recognitions': 'occurred_on',
    'roster': 'work_date',
} -%}
with
night as (
    select * from {{ ref('stg_night') }}
),

declarations as (
    select * from {{ source('ops', 'declarations') }}
),

first_moments as (
    {% for feed, moment in moments.items() -%}
    select '{{ feed }}' as feed, min({{ moment }}) as first_event_at
    from {{ ref('stg_' ~ feed ~ '_history') }}
    where is_current
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

first_days as (
    select
        first_moments.feed,
        {{ local_date('first_moments.first_event_at', 'night.time_zone') }} as first_event_on
    from first_moments
    cross join night
    {%- for feed, day in days.items() %}

    union all

    select '{{ feed }}' as feed, min({{ day }}) as first_event_on
    from {{ ref('stg_' ~ feed ~ '_history') }}
    where is_current
    {%- endfor %}
)

select
    first_days.feed,
    coalesce(
        declarations.counts_from, cast(date_trunc('month', first_days.first_event_on) as date)
    ) as counts_from
from first_days
inner join declarations on declarations.feed = first_days.feed
where first_days.first_event_on is not null
