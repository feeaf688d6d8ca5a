-- One row per correction: whether its new value stands in the record it is about, and if not, why.
-- Of several upheld ones for the same column of a record the one decided last stands.
with
night as (
    select * from {{ ref('stg_night') }}
),

judged as (
    select
        corrections.*,
        reading.declared_time_zone,
        reading.patterns,
        reading.templates,
        case
            when corrections.decision is null or corrections.decided_at is null then 'undecided'
            when corrections.decided_at > night.as_of then 'undecided'
            when corrections.decision = 'rejected' then 'rejected'
            when
                corrections.target_feed not in ('{{ canonical_feeds() | join("', '") }}')
                then 'feed_unknown'
            when case corrections.target_feed
                {%- for feed in canonical_feeds() if correctable_columns(feed) %}
                when '{{ feed }}'
                    then corrections.field not in ('{{ correctable_columns(feed) | join("', '") }}')
                {%- endfor %}
                else true
                end
                then 'field_not_correctable'
            when corrections.new_value is null then 'no_new_value'
            when case concat_ws('.', corrections.target_feed, corrections.field)
                {%- for feed in canonical_feeds() %}
                {%- for column, meta in correctable_columns(feed).items() %}
                {%- set value = typed('corrections.new_value', meta.type) %}
                {%- if 'values' in meta %}
                when '{{ feed }}.{{ column }}'
                    then corrections.new_value not in ('{{ meta['values'] | join("', '") }}')
                {%- elif meta.type | default('text') != 'text' %}
                when '{{ feed }}.{{ column }}'
                    then {{ value }} is null
                    {%- if meta.least is defined %} or {{ value }} < {{ meta.least }}{% endif %}
                    {%- if meta.most is defined %} or {{ value }} > {{ meta.most }}{% endif %}
                {%- endif %}
                {%- endfor %}
                {%- endfor %}
                else false
                end
                then 'value_not_accepted'
        end as exclusion
    from {{ ref('stg_corrections') }} as corrections
    cross join night
    cross join {{ reading_of_corrections() }}
),

ranked as (
    select
        judged.*,
        row_number() over (
            partition by target_feed, target_key, field, exclusion is null
            order by decided_at desc nulls last, {{ key_order('correction_id') }} desc
        ) as decision_rank
    from judged
)

select
    correction_id,
    target_feed,
    target_key,
    field,
    new_value,
    reason,
    evidence_ref,
    requested_by,
    decided_by,
    decided_at,
    decision,
    declared_time_zone,
    patterns,
    templates,
    exclusion is null and decision_rank = 1 as is_applied,
    coalesce(exclusion, case when decision_rank > 1 then 'superseded' end) as reason_code
from ranked
