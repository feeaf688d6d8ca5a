{#
    Joins the case table's exclusions of one KPI to orders (seeds/policy/case_exclusions.csv).
    State is judged at the anchor: a KPI that counts for first completion takes first_case_code, the case
    as it stood then.
#}
{% macro join_exclusions(kpi_code, orders='orders', case_code='case_code') -%}
left join {{ ref('case_exclusions') }} as exclusions
        on exclusions.case_code = {{ orders }}.{{ case_code }}
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

{#
    The records of an on-time KPI: every order, and whether it was first completed by its due time.
    due: prefix of the columns of int_order_clocks that say when it was due and who held it then.
#}
{% macro on_time_events(kpi_code, due) -%}
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select * from {{ ref('int_orders') }}
),

clocks as (
    select * from {{ ref('int_order_clocks') }}
),

limits as (
    select * from {{ ref('int_days') }}
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.first_completed_at,
        clocks.{{ due }}_technician_id as technician_id,
        clocks.{{ due }}_at as anchored_at,
        {{ local_date('clocks.' ~ due ~ '_at', 'orders.time_zone') }} as business_date,
        least(clocks.{{ due }}_at, orders.first_completed_at) as matures_at,
        case
            when
                exclusions.case_code is not null
                and (not orders.is_order or coalesce(orders.cancelled_at <= clocks.{{ due }}_at, true))
                then orders.case_code
            when orders.is_completion_unknown and orders.first_completed_at is null then 'completion_time_unknown'
            when orders.first_completed_at < orders.reported_at then 'completed_before_report'
            when clocks.{{ due }}_technician_id is null then 'technician_unknown'
        end as exclusion,
        coalesce(orders.first_completed_at <= clocks.{{ due }}_at, false) as is_in_time,
        -- Where nothing is repaired there is no first-time fix to fail: a reopening breaks the promise here.
        orders.case_code = 'service_without_first_time_fix'
        and coalesce(
            orders.reopened_at <= orders.first_completed_at + limits.repeat_limit * interval '1' day, false
        ) as is_reopened
    from orders
    inner join clocks on clocks.order_id = orders.order_id
    inner join limits on limits.day = orders.reported_on
    {{ join_exclusions(kpi_code) }}
),

verdicts as (
    select
        judged.*,
        is_in_time and not is_reopened as is_on_time,
        case
            when is_in_time and is_reopened then 'reopened'
            when is_in_time then null
            when first_completed_at is null then 'open_past_due'
            else 'completed_late'
        end as failure
    from judged
)

select
    '{{ kpi_code }}' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when is_on_time then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    cast(null as varchar) as evidence_ref
from verdicts
cross join night
{%- endmacro %}

{#
    The records of a repeat KPI: every order that was ever completed, and whether it came back; a
    cancelled one with its reason.
    limit: column of int_days that says within how many days of first completion. What comes after them,
    as a repeat of a later reopening may, moves nothing (handbook 2.11).
#}
{% macro repeat_events(kpi_code, limit) -%}
with
night as (
    select * from {{ ref('stg_night') }}
),

orders as (
    select
        *,
        coalesce(first_completed_at, cancelled_at) as anchored_at
    from {{ ref('int_orders') }}
    where coalesce(first_completed_at, cancelled_at) is not null
),

limits as (
    select * from {{ ref('int_days') }}
),

follow_ups as (
    select * from {{ ref('int_order_follow_ups') }}
),

repeats as (
    select
        repeated_order_id,
        order_id,
        reported_at,
        row_number() over (
            partition by repeated_order_id
            order by reported_at, {{ key_order('order_id') }}
        ) as repeat_no
    from {{ ref('int_order_repeats') }}
),

judged as (
    select
        orders.order_id,
        orders.stratum,
        orders.accountable_technician_id as technician_id,
        orders.anchored_at,
        {{ local_date('orders.anchored_at', 'orders.time_zone') }} as business_date,
        coalesce(
            orders.first_completed_at + limits.{{ limit }} * interval '1' day, orders.cancelled_at
        ) as matures_at,
        -- Only a repair repeats itself by a reopening; other services break their promise of time by it.
        orders.service_type = 'repair'
        and coalesce(
            orders.reopened_at <= orders.first_completed_at + limits.repeat_limit * interval '1' day, false
        ) as is_reopened,
        repeats.order_id as repeat_order_id,
        case
            when exclusions.case_code is not null then orders.first_case_code
            when follow_ups.order_id is not null then 'follow_up_visit'
            when orders.service_type is null then 'service_type_unknown'
            when
                orders.appliance_serial is null
                and (orders.customer_id is null or orders.appliance_category is null)
                then 'appliance_unknown'
            when orders.accountable_technician_id is null then 'technician_unknown'
        end as exclusion
    from orders
    inner join limits on limits.day = orders.reported_on
    left join repeats
        on repeats.repeated_order_id = orders.order_id
        and repeats.repeat_no = 1
        and repeats.reported_at <= orders.first_completed_at + limits.{{ limit }} * interval '1' day
    left join follow_ups on follow_ups.order_id = orders.order_id
    {{ join_exclusions(kpi_code, case_code='first_case_code') }}
),

verdicts as (
    select
        judged.*,
        case
            when is_reopened then 'reopened'
            when repeat_order_id is not null then 'repeated'
        end as failure
    from judged
)

select
    '{{ kpi_code }}' as kpi_code,
    'work_orders' as feed,
    order_id as record_key,
    order_id,
    technician_id,
    verdicts.business_date,
    anchored_at,
    {{ verdict() }},
    case when failure is not null then 1 else 0 end as numerator,
    1 as denominator,
    stratum,
    repeat_order_id as evidence_ref
from verdicts
cross join night
{%- endmacro %}

{#
    The row of the case table an order belongs to (handbook 2), by one of its resolutions.
    is_cancelled: condition for a cancellation that is the order's end.
#}
{% macro case_of(resolution, is_cancelled) -%}
case
    when not is_order then 'duplicate_or_test'
    when {{ is_cancelled }} and is_excused_cancellation is null then 'cancelled_cause_unknown'
    when {{ is_cancelled }}
        then concat_ws(
                '_',
                'cancelled',
                case when departed_before_cancellation then 'after_departure' else 'before_departure' end,
                case when is_excused_cancellation then 'excused' else 'by_technician' end
            )
    when service_type <> 'repair' then 'service_without_first_time_fix'
    when {{ resolution }} in ('irreparable', 'quote_refused') then 'irreparable_or_quote_refused'
    when {{ resolution }} in ('no_fault_found', 'user_education') then 'nothing_to_fix'
    when {{ resolution }} = 'remote_fix' then 'remote_fix'
    when first_completed_at is not null and {{ resolution }} is null then 'resolution_unknown'
    else 'ordinary'
end
{%- endmacro %}
