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
