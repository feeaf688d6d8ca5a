{# A dated policy row holds from valid_from (included) to valid_to (excluded; empty: for good). #}
{% macro in_force(policy, day) -%}
    {{ day }} >= {{ policy }}.valid_from and ({{ policy }}.valid_to is null or {{ day }} < {{ policy }}.valid_to)
{%- endmacro %}

{#
    Points of a value on the published line through (floor, 0), (target, 80), (stretch, 100), flat
    outside, rounded half away from zero to 1/100. Works for both directions: every difference
    changes its sign together. Handbook 4.1.
#}
{% macro points(value, policy) -%}
    cast(round(greatest(0, least(100,
        case
            when ({{ value }} - {{ policy }}.target) * sign({{ policy }}.target - {{ policy }}.floor) <= 0
            then 80 * ({{ value }} - {{ policy }}.floor) / ({{ policy }}.target - {{ policy }}.floor)
            else 80 + 20 * ({{ value }} - {{ policy }}.target) / ({{ policy }}.stretch - {{ policy }}.target)
        end
    )), 2) as decimal(7, 2))
{%- endmacro %}

{# Points gained per unit of a value there on the same line: 0 where it is flat. Handbook 4.4. #}
{% macro slope(value, policy) -%}
    case
        when ({{ value }} - {{ policy }}.floor) * sign({{ policy }}.target - {{ policy }}.floor) < 0 then 0
        when ({{ value }} - {{ policy }}.target) * sign({{ policy }}.target - {{ policy }}.floor) < 0
            then 80 / abs({{ policy }}.target - {{ policy }}.floor)
        when ({{ value }} - {{ policy }}.stretch) * sign({{ policy }}.target - {{ policy }}.floor) < 0
            then 20 / abs({{ policy }}.stretch - {{ policy }}.target)
        else 0
    end
{%- endmacro %}

{# One end of the 95 % Wilson interval of a rate over n records, z = 1.959964; `sign` is - or +. #}
{% macro wilson_end(rate, n, sign) -%}
    {%- set z = 1.959964 -%}
    cast(
        (
            {{ rate }} + {{ z * z }} / (2 * {{ n }})
            {{ sign }} {{ z }} * sqrt({{ rate }} * (1 - {{ rate }}) / {{ n }} + {{ z * z }} / (4 * {{ n }} * {{ n }}))
        ) / (1 + {{ z * z }} / {{ n }})
        as decimal(12, 10)
    )
{%- endmacro %}
