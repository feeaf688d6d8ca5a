{#
    dbt's table and view, made by one statement. What dbt does beside it, to keep the old one to be read and to
    take apart what was left over, costs a third of a small night; here all is one transaction anyway.
#}
{% materialization table, adapter='postgres' %}{{ return(made_anew('table')) }}{% endmaterialization %}
{% materialization view, adapter='postgres' %}{{ return(made_anew('view')) }}{% endmaterialization %}

{% macro made_anew(type) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type=type) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {%- if type == 'table' -%}
            {#- Filled under another name, so that it is locked for the moment of the change alone. -#}
            {%- set filled = make_intermediate_relation(target) -%}
            {{ get_create_table_as_sql(False, filled, sql) }}
            {{ drop_with_views(existing) }}
            alter table {{ filled }} rename to {{ adapter.quote(target.identifier) }}
        {%- else -%}
            {{ drop_with_views(existing) }}
            {{ get_create_view_as_sql(target, sql) }}
        {%- endif -%}
    {%- endcall %}
    {% if existing %}{% do adapter.cache_dropped(existing) %}{% endif %}
    {% do create_indexes(target) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do apply_grants(target, config.get('grants'), should_revoke=True) %}
    {% do persist_docs(target, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmacro %}

{% macro drop_with_views(relation) -%}
    {% if relation %}drop {{ relation.type }} if exists {{ relation }} cascade;{% endif %}
{%- endmacro %}
