-- One row per record of which this night may show something else than the night published last: it has a
-- version that was delivered, delivered again or waited for its date since, or a correction of it was.
-- Always counted from the published night, so that one which was killed is simply done again; a version of
-- a date past the published one may be in staging or not, so it is looked at in either case.
-- A version delivered again takes its last place among those of the same moment. Where it was known already
-- and no other one is as new, it has that place: a whole register delivered every night touches nobody.
{{ config(materialized='table') }}
with
night as (
    select * from {{ ref('stg_night') }}
),

recent_loads as (
    select
        loads.load_id,
        loads.feed
    from {{ source('ops', 'loads') }} as loads
    inner join night on loads.load_id > night.since_load_id or loads.business_date > night.since_date
),

again as (
    select distinct feed, row_hash
    from {{ source('ops', 'unchanged_rows') }}
    where load_id in (select recent_loads.load_id from recent_loads)
),

{% for feed in canonical_feeds() -%}
{% set keys = record_keys(feed) | join(', ') -%}
{{ feed }}_again as (
    select
        typed.row_hash,
        typed.load_id,
        {{ record_key(feed) }} as record_key,
        rank() over (
            partition by {{ keys }}{{ ' order by ' ~ newest_last(feed) | join(', ') if newest_last(feed) }}
        ) as place,
        count(*) over (partition by {{ keys }}) as versions
    from {{ ref('base_' ~ feed) }} as typed
    where
        typed.problems is null
        and ({{ keys }}) in (
            select {{ record_keys(feed, 'known') | join(', ') }}
            from again
            inner join {{ source('raw', feed) }} as raw on raw.row_hash = again.row_hash
            inner join {{ ref('base_' ~ feed) }} as known
                on known.load_id = raw.load_id and known.row_number = raw.row_number
            where again.feed = '{{ feed }}'
        )
),

{% endfor -%}

delivered as (
    {% for feed in canonical_feeds() -%}
    select recent_loads.feed, typed.record_key
    from recent_loads
    {{ looked_up(
        ref('base_' ~ feed), record_key(feed, 'found') ~ ' as record_key',
        'found.load_id = recent_loads.load_id and found.problems is null'
    ) }} as typed
    where recent_loads.feed = '{{ feed }}'

    union

    select '{{ feed }}' as feed, typed.record_key
    from {{ feed }}_again as typed
    inner join again on again.feed = '{{ feed }}' and again.row_hash = typed.row_hash
    -- A place that others share ranks before the last one.
    where typed.place < typed.versions or typed.load_id in (select recent_loads.load_id from recent_loads)

    {{ 'union' if not loop.last }}
    {% endfor %}
),

-- What one correction says may put another one of the same column out of force.
corrected as (
    select distinct corrections.target_feed as feed, corrections.target_key as record_key
    from {{ ref('base_corrections') }} as corrections
    cross join night
    where
        corrections.problems is null
        and (
            corrections.decided_at > night.since_as_of
            or corrections.correction_id in (
                select delivered.record_key from delivered where delivered.feed = 'corrections'
            )
        )
)

select feed, record_key from delivered
union
select feed, record_key from corrected
