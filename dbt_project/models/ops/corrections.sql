-- One row per correction: whether it stands in the record it is about, and if not, why.
with
judged as (
    select * from {{ ref('stg_corrections_judged') }}
),

targets as (
    {% for feed in canonical_feeds() if feed != 'corrections' -%}
    select '{{ feed }}' as target_feed, {{ record_key(feed) }} as target_key
    from {{ ref('stg_' ~ feed ~ '_history') }}
    where is_current
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    judged.correction_id,
    judged.target_feed,
    judged.target_key,
    judged.field,
    judged.new_value,
    judged.reason,
    judged.evidence_ref,
    judged.requested_by,
    judged.decided_by,
    judged.decided_at,
    judged.decision,
    judged.is_applied and targets.target_key is not null as is_applied,
    coalesce(judged.reason_code, case when targets.target_key is null then 'record_unknown' end) as reason_code
from judged
left join targets
    on targets.target_feed = judged.target_feed and targets.target_key = judged.target_key
