{#
    Joins the case table's exclusions of one KPI to orders (seeds/policy/case_exclusions.csv).
    A cancellation excludes only what had not already come to pass: state is judged at the anchor.
#}
{% macro join_exclusions(kpi_code, orders='orders') -%}
left join {{ ref('case_exclusions') }} as exclusions
        on exclusions.case_code = {{ orders }}.case_code
        and exclusions.kpi_code = '{{ kpi_code }}'
        and {{ in_force('exclusions', orders ~ '.reported_on') }}
{%- endmacro %}

{#
    The end of every KPI file's select list: whether a record counts, why not or how it failed, and from
    when on mere time no longer changes it (handbook 2.8-2.10). Reads beside it: `exclusion` (why it does
    not count, or null), `failure` (how it failed, or null), `matures_at` (null while it waits for an
    event, not for time) and the night's `as_of`.
#}
{% macro verdict() -%}
exclusion is null as eligible,
    coalesce(exclusion, case when matures_at <= as_of then failure end) as reason_code,
    coalesce(matures_at <= as_of, false) as mature,
    case when matures_at > as_of then matures_at end as next_change_at,
    matures_at
{%- endmacro %}

{#
    The records of another KPI's file under this KPI's code, where both judge the same records:
    what counts is decided once. `numerator` and `failure` are this KPI's own.
#}
{% macro same_records(kpi_code, of, numerator, failure='null') -%}
select
    '{{ kpi_code }}' as kpi_code,
    events.feed,
    events.record_key,
    events.order_id,
    events.technician_id,
    events.business_date,
    events.anchored_at,
    events.eligible,
    case
        when not events.eligible then events.reason_code
        when events.mature then {{ failure }}
    end as reason_code,
    events.mature,
    events.next_change_at,
    events.matures_at,
    {{ numerator }} as numerator,
    events.denominator,
    events.stratum,
    events.evidence_ref
from {{ of }} as events
{%- endmacro %}
