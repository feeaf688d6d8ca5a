{#
    How a model is made: by one statement, that shows the night's lease first. dbt's own materializations
    ask and tell the server a dozen times for each model, which is most of a small night.

    A rebuild (--full-refresh), or a night that finds nothing there, makes a relation anew. Any other night
    fills the tables that stand: their columns are those of the same models, since other models make a
    night a rebuild (fieldscore.extent). Its views stand, too: see is_night and fieldscore.extent.views_stand.
#}
{% materialization table, adapter='postgres' %}{{ return(made('table', 'whole')) }}{% endmaterialization %}
{% materialization incremental, adapter='postgres' %}
    {{ return(made('table', config.require('incremental_strategy'))) }}
{% endmaterialization %}
{% materialization view, adapter='postgres' %}{{ return(made('view')) }}{% endmaterialization %}

{# strategy: which rows of a table that stands are filled again; the macro replace_<strategy> says how. #}
{% macro made(type, strategy=none) %}
    {%- set target = this.incorporate(type=type) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set stands = existing and existing.type == type and not should_full_refresh() -%}
    {% call statement('main') -%}
        select ops.hold_lease();
        {% if type == 'view' -%}
            {{ made_as_view(target, existing if not stands) }}
        {%- elif stands -%}
            {{ config.get('sql_header') or '' }}
            {{ context['replace_' ~ strategy](target, rows_of_contract(sql)) }}
        {%- else -%}
            {{ made_as_table(target, existing) }}
        {%- endif %}
        {% for privilege, roles in config.get('grants', {}).items() -%}
            {{ get_grant_sql(target, privilege, roles) }};
        {% endfor -%}
    {%- endcall %}
    {{ adapter.commit() }}
    {% if existing and existing.type != type %}{% do adapter.cache_dropped(existing) %}{% endif %}
    {{ return({'relations': [target]}) }}
{% endmacro %}

{# Filled under another name, so that the old one is locked for the moment of the change alone. #}
{% macro made_as_table(target, existing) -%}
    {%- set filled = make_intermediate_relation(target) -%}
    {{ get_create_table_as_sql(False, filled, sql) }}
    {% if config.get('materialized') == 'table' -%}
        -- Filled anew and counted every night: the server's own vacuum would only be in the way.
        alter table {{ filled }} set (autovacuum_enabled = false);
    {% endif -%}
    {{ drop_with_views(existing) }}
    alter table {{ filled }} rename to {{ adapter.quote(target.identifier) }};
    {% for index in config.get('indexes', []) -%}
        create {{ 'unique' if index.unique }} index on {{ target }} using {{ index.type or 'btree' }}
        ({{ index.columns | join(', ') }}) {{ 'where ' ~ index.where if index.where }};
    {% endfor -%}
    {{ finished(target, 'table') }};
{%- endmacro %}

{# Another kind of relation, or a rebuild's columns, cannot be replaced. #}
{% macro made_as_view(target, obsolete) -%}
    {{ drop_with_views(obsolete) }}
    create or replace view {{ target }} as (
        {{ sql }}
    );
    {{ finished(target, 'view') }};
    comment on view {{ target }} is 'of a {{ 'night' if is_night() else 'rebuild' }}';
{%- endmacro %}

{# All rows of a table; the statistics that the next model is planned by are those of this night. #}
{% macro replace_whole(target, rows) -%}
    truncate {{ target }};
    insert into {{ target }}
    {{ rows }};
    {{ finished(target, 'table') }};
{%- endmacro %}

{# What a model gives, in the order of its contract's columns where it has one. #}
{% macro rows_of_contract(rows) -%}
    {{ get_select_subquery(rows) if config.get('contract').enforced else rows }}
{%- endmacro %}

{% macro drop_with_views(relation) -%}
    {% if relation %}drop {{ relation.type }} if exists {{ relation }} cascade;{% endif %}
{%- endmacro %}
