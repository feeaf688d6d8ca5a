{#
    Everything that differs between engines, and nothing else. PostgreSQL is written here; another
    engine adds <engine>__<macro> beside it and no model changes.
#}

{# The local wall-clock time of a UTC timestamp in an IANA zone. #}
{% macro local_time(moment, zone) %}{{ return(adapter.dispatch('local_time')(moment, zone)) }}{% endmacro %}
{% macro default__local_time(moment, zone) -%}
    ((({{ moment }}) at time zone 'UTC') at time zone {{ zone }})
{%- endmacro %}

{# The local date of a UTC timestamp in an IANA zone. #}
{% macro local_date(moment, zone) -%}cast({{ local_time(moment, zone) }} as date){%- endmacro %}

{# The UTC timestamp of a local wall-clock time in an IANA zone. #}
{% macro utc_time(moment, zone) %}{{ return(adapter.dispatch('utc_time')(moment, zone)) }}{% endmacro %}
{% macro default__utc_time(moment, zone) -%}
    ((({{ moment }}) at time zone {{ zone }}) at time zone 'UTC')
{%- endmacro %}

{# Seconds from one timestamp to another, exact, as decimal(18,6). #}
{% macro seconds_between(earlier, later) %}{{ return(adapter.dispatch('seconds_between')(earlier, later)) }}{% endmacro %}
{% macro default__seconds_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }}) - ({{ earlier }})) as decimal(18, 6))
{%- endmacro %}

{# A table of the days from one date to another, both included, in a column `day`. #}
{% macro days(first_day, last_day) %}{{ return(adapter.dispatch('days')(first_day, last_day)) }}{% endmacro %}
{% macro default__days(first_day, last_day) -%}
    (
        select cast(moment as date) as day
        from generate_series(
            cast({{ first_day }} as timestamp), cast({{ last_day }} as timestamp), interval '1' day
        ) as moments (moment)
    )
{%- endmacro %}

{# A table of the minutes from one timestamp to another, both included, in a column `minute`. #}
{% macro minutes(first_minute, last_minute) %}{{ return(adapter.dispatch('minutes')(first_minute, last_minute)) }}{% endmacro %}
{% macro default__minutes(first_minute, last_minute) -%}
    (
        select moment as minute
        from generate_series({{ first_minute }}, {{ last_minute }}, interval '1' minute) as moments (moment)
    )
{%- endmacro %}

{# 1 = Monday … 7 = Sunday. #}
{% macro weekday(day) %}{{ return(adapter.dispatch('weekday')(day)) }}{% endmacro %}
{% macro default__weekday(day) -%}cast(extract(isodow from {{ day }}) as integer){%- endmacro %}

{# A quotient of decimals, rounded half away from zero; null when the divisor is 0. #}
{% macro ratio(numerator, denominator, scale=10) -%}
    cast(
        round(cast({{ numerator }} as decimal(38, 18)) / nullif({{ denominator }}, 0), {{ scale }})
        as decimal(28, {{ scale }})
    )
{%- endmacro %}

{# Byte order, the same on every engine and under every locale. #}
{% macro key_order(expression) %}{{ return(adapter.dispatch('key_order')(expression)) }}{% endmacro %}
{% macro default__key_order(expression) -%}{{ expression }} collate "C"{%- endmacro %}

{# Delivered text of raw rows, with the declaration's null tokens and words applied; both are table aliases. #}
{% macro delivered(raw, column, declaration) %}{{ return(adapter.dispatch('delivered')(raw, column, declaration)) }}{% endmacro %}
{% macro default__delivered(raw, column, declaration) -%}
    ops.delivered({{ raw }}.{{ column }}, {{ declaration }}.null_tokens, {{ declaration }}.value_maps -> '{{ column }}')
{%- endmacro %}

{# Text as a type, or null where it cannot be; never an error. Reads the declaration's columns beside it. #}
{% macro typed(column, type) %}{{ return(adapter.dispatch('typed')(column, type)) }}{% endmacro %}
{% macro default__typed(column, type) -%}
    {%- if type == 'timestamp' -%}
        ops.to_utc({{ column }}, declared_time_zone, patterns, templates)
    {%- elif type == 'date' -%}
        ops.to_date({{ column }}, patterns, templates)
    {%- elif type in ('decimal', 'integer', 'boolean', 'zone') -%}
        ops.to_{{ type }}({{ column }})
    {%- else -%}
        {{ column }}
    {%- endif -%}
{%- endmacro %}

{# The rows of a table once for every item of a column that lists items between semicolons. #}
{% macro each_item(list_column) %}{{ return(adapter.dispatch('each_item')(list_column)) }}{% endmacro %}
{% macro default__each_item(list_column) -%}
    cross join lateral unnest(string_to_array({{ list_column }}, ';')) as items (item)
{%- endmacro %}

{# Ends a step whose expressions cost enough that they must be computed once, however often read. #}
{% macro computed_once() %}{{ return(adapter.dispatch('computed_once')()) }}{% endmacro %}
{% macro default__computed_once() -%}offset 0{%- endmacro %}

{# Some columns of a row as a JSON document, without those that hold nothing. #}
{% macro json_of(relation, columns) %}{{ return(adapter.dispatch('json_of')(relation, columns)) }}{% endmacro %}
{% macro default__json_of(relation, columns) -%}
    jsonb_strip_nulls(jsonb_build_object(
        {%- for column in columns %}'{{ column }}', {{ relation }}.{{ column }}{% if not loop.last %}, {% endif %}{% endfor -%}
    ))
{%- endmacro %}

{# What is still to be done with a relation just built: a table's statistics, for the planner; a view's rights. #}
{% macro finished(relation, materialized) %}{{ return(adapter.dispatch('finished')(relation, materialized)) }}{% endmacro %}
{% macro default__finished(relation, materialized) -%}
    {% if materialized == 'view' %}alter view {{ relation }} set (security_invoker = true){% else %}analyze {{ relation }}{% endif %}
{%- endmacro %}

{# Keeps one model's plan from sorting both sides of its joins. #}
{% macro without_merge_joins() %}{{ return(adapter.dispatch('without_merge_joins')()) }}{% endmacro %}
{% macro default__without_merge_joins() -%}set local enable_mergejoin = off;{%- endmacro %}
