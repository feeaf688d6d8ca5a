-- One row per feed that is declared and has delivered something: the day from which it counts.
-- By its declaration, else the first day of the month of its earliest event (handbook 1).
{% set events = {
    'work_orders': 'reported_at',
    'surveys': 'sent_at',
    'expenses': 'incurred_on',
    'visits': 'coalesce(arrived_at, slot_start, updated_at)',
    'pauses': 'started_at',
    'complaints': 'received_at',
    'inspections': 'inspected_at',
    'parts': 'updated_at',
    'roster': 'work_date',
} -%}
with
declarations as (
    select * from {{ source('ops', 'declarations') }}
),

earliest as (
    {% for feed, event in events.items() -%}
    select '{{ feed }}' as feed, cast(min({{ event }}) as timestamp) as first_event_at
    from {{ ref('stg_' ~ feed) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    earliest.feed,
    coalesce(
        declarations.counts_from, cast(date_trunc('month', earliest.first_event_at) as date)
    ) as counts_from
from earliest
inner join declarations on declarations.feed = earliest.feed
where earliest.first_event_at is not null
