{# The canonical feeds, as models/staging/_raw__sources.yml lists them; a test holds the two together. #}
{% macro canonical_feeds() %}
    {{ return([
        'work_orders', 'surveys', 'expenses', 'technicians', 'areas', 'visits', 'pauses', 'complaints',
        'inspections', 'parts', 'recognitions', 'training', 'roster', 'corrections',
    ]) }}
{% endmacro %}

{#
    The columns of a canonical feed as {name: meta}, from models/staging/_raw__sources.yml, without
    the confidential ones: those stay in raw, where the models' role cannot read them.
#}
{% macro feed_columns(feed) %}
    {% set columns = {} %}
    {% if execute %}
        {% for column in graph.sources['source.fieldscore.raw.' ~ feed].columns.values()
            if not column.config.meta.confidential %}
            {% do columns.update({column.name: column.config.meta}) %}
        {% endfor %}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}

{#
    One row per distinct delivered row, typed as the sources file says. `problems` is null for a good
    row, else `column=reason` items between semicolons; such a row is listed in ops.rejects.
#}
{% macro typed_feed(feed) %}
{%- set columns = feed_columns(feed) -%}
with
declaration as (
    select * from {{ source('ops', 'declarations') }} where feed = '{{ feed }}'
),

waiting as (
    select
        raw.load_id,
        raw.row_number,
        raw.row_hash,
        {% for column in columns -%}
        raw.{{ column }},
        {% endfor -%}
        loads.business_date
    from {{ source('raw', feed) }} as raw
    inner join {{ source('ops', 'loads') }} as loads on loads.load_id = raw.load_id
    {% if is_incremental() %}
    where raw.load_id > (select coalesce(max(done.load_id), 0) from {{ this }} as done)
    {% endif %}
),

delivered as (
    select
        waiting.load_id,
        waiting.row_number,
        waiting.row_hash,
        waiting.business_date,
        {% for column in columns -%}
        {{ delivered('waiting', column, 'declaration') }} as {{ column }},
        {% endfor -%}
        declaration.time_zone as declared_time_zone,
        declaration.patterns,
        declaration.templates
    from waiting
    cross join declaration
    {{ computed_once() }}
),

typed as (
    select
        delivered.*
        {%- for column, meta in columns.items() if meta.type | default('text') != 'text' %},
        {{ typed(column, meta.type) }} as typed_{{ column }}
        {%- endfor %}
    from delivered
    {{ computed_once() }}
)

select
    load_id,
    row_number,
    row_hash,
    {% for column, meta in columns.items() -%}
    {{ column if meta.type | default('text') == 'text' else 'typed_' ~ column }} as {{ column }},
    {% endfor -%}
    nullif(concat_ws(
        ';'
        {%- for column, meta in columns.items() %}
        {%- set value = column if meta.type | default('text') == 'text' else 'typed_' ~ column %}
        {%- if meta.key or meta.filled %},
        case when {{ column }} is null then '{{ column }}=missing' end
        {%- endif %}
        {%- if meta.type | default('text') != 'text' %},
        case when {{ column }} is not null and {{ value }} is null then '{{ column }}=not a {{ meta.type }}' end
        {%- endif %}
        {%- if 'values' in meta %},
        case when {{ column }} not in ('{{ meta['values'] | join("', '") }}') then '{{ column }}=unknown word' end
        {%- endif %}
        {%- if meta.only is defined %},
        case when {{ column }} <> '{{ var(meta.only) }}' then '{{ column }}=another {{ meta.only }}' end
        {%- endif %}
        {%- if meta.least is defined %},
        case when {{ value }} < {{ meta.least }} then '{{ column }}=below {{ meta.least }}' end
        {%- endif %}
        {%- if meta.most is defined %},
        case when {{ value }} > {{ meta.most }} then '{{ column }}=above {{ meta.most }}' end
        {%- endif %}
        {%- if meta.happened %},
        {#- Two days leave room for every time zone and a file cut after midnight. #}
        case when {{ value }} >= cast(business_date as timestamp) + interval '2' day then '{{ column }}=ahead of its delivery' end
        {%- endif %}
        {%- endfor %}
    ), '') as problems
from typed
{% endmacro %}

{#
    The incremental strategy of typed rows: what has landed since. Statistics are left to the server, which
    renews them when a table has grown: asking for them every night would cost by history.
#}
{% macro replace_newly_landed(base, rows) %}
    insert into {{ base }}
    {{ rows }};
{% endmacro %}

{# The columns that identify a record of a feed. Without dbt's graph, as when sqlfluff reads, any word will do. #}
{% macro record_keys(feed, table=none) %}
    {% set keys = [] %}
    {% for column, meta in feed_columns(feed).items() if meta.key %}
        {% do keys.append(table ~ '.' ~ column if table else column) %}
    {% endfor %}
    {{ return(keys or ['record_key']) }}
{% endmacro %}

{# The key of a feed's record as one text, as corrections name it: technician_id/work_date of a roster day. #}
{% macro record_key(feed, table=none) %}
    {% set keys = record_keys(feed, table) %}
    {{ return(keys[0] if keys | length == 1 else "concat_ws('/', " ~ keys | join(', ') ~ ')') }}
{% endmacro %}

{#
    What orders the versions of a feed's record, oldest first: the highest `version` wins where the feed has
    that column, else the newest updated_at; between equals it is the place of delivery (handbook 1).
#}
{% macro newest_last(feed) %}
    {% set columns = feed_columns(feed) %}
    {% if 'version' in columns %}
        {{ return(['version nulls first', 'case when version is null then updated_at end nulls first']) }}
    {% endif %}
    {{ return(['updated_at nulls first'] if 'updated_at' in columns else []) }}
{% endmacro %}

{#
    The columns of a feed that an upheld correction may change, as {name: meta}: facts, not what
    identifies a record, orders its versions or names a customer.
#}
{% macro correctable_columns(feed) %}
    {% set columns = {} %}
    {% for column, meta in feed_columns(feed).items() %}
        {% if not (meta.key or meta.personal or column in ('updated_at', 'version') or feed == 'corrections') %}
            {% do columns.update({column: meta}) %}
        {% endif %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{#
    One row per good version of a record, with version_no (1 = oldest) and is_current; in a night of the
    touched records alone. Between equals (newest_last) the later delivery wins, then the later row; a
    version delivered again takes its last place.
    An upheld correction is a later fact about the record (handbook 8): it stands in every version that
    says anything of its column, and in the newest; in the oldest, too, where dispatch should have known
    it, since only a correction changes what difficulty is judged by (handbook 2.12).
#}
{% macro feed_history(feed) %}
{%- set columns = feed_columns(feed) -%}
{%- set keys = record_keys(feed) -%}
{%- set correctable = correctable_columns(feed) -%}
{#- Said where it always is, so that dbt knows what must come before. -#}
{%- set touched = touched_keys(feed) -%}
with
night as (
    select * from {{ ref('stg_night') }}
),

typed as (
    select *
    from {{ ref('base_' ~ feed) }}
    where
        problems is null
        {%- if is_incremental() %}
        and ({{ keys | join(', ') }}) in ({{ touched }})
        {%- endif %}
),

places as (
    select typed.row_hash, loads.business_date, loads.file, typed.row_number, typed.load_id
    from typed
    inner join {{ source('ops', 'loads') }} as loads on loads.load_id = typed.load_id
    union all
    select again.row_hash, loads.business_date, loads.file, again.row_number, again.load_id
    from {{ source('ops', 'unchanged_rows') }} as again
    inner join {{ source('ops', 'loads') }} as loads on loads.load_id = again.load_id
    where
        again.feed = '{{ feed }}'
        {%- if is_incremental() %}
        and again.row_hash in (select typed.row_hash from typed)
        {%- endif %}
),

ranked_places as (
    select
        places.*,
        row_number() over (
            partition by places.row_hash
            order by
                places.business_date desc, {{ key_order('places.file') }} desc,
                places.load_id desc, places.row_number desc
        ) as place_rank
    from places
    inner join night on places.business_date <= night.business_date
),

placed as (
    select
        {% for column in columns -%}
        typed.{{ column }},
        {% endfor -%}
        typed.load_id as stored_load_id,
        last_place.business_date,
        last_place.file,
        last_place.load_id,
        last_place.row_number
    from typed
    inner join ranked_places as last_place
        on last_place.row_hash = typed.row_hash and last_place.place_rank = 1
),

numbered as (
    select
        placed.*,
        row_number() over record_versions as version_no,
        count(*) over (partition by {{ keys | join(', ') }}) as version_count
    from placed
    window record_versions as (
        partition by {{ keys | join(', ') }}
        order by
            {% for column in newest_last(feed) -%}
            {{ column }},
            {% endfor -%}
            business_date, {{ key_order('file') }}, load_id, row_number
    )
)
{%- if feed != 'corrections' %},

corrections as (
    select
        target_key
        {%- for column, meta in correctable.items() %},
        {{ 'bool_or' if meta.type == 'boolean' else 'max' }}({{ typed('new_value', meta.type) }}) filter (
            where field = '{{ column }}'
        ) as {{ column }}
        {%- endfor %}
    from {{ ref('stg_corrections_judged') }}
    where is_applied and target_feed = '{{ feed }}'
    group by target_key
)
{%- endif %}

select
    {% for column in columns -%}
    {% if column in correctable -%}
    case
        when numbered.{{ column }} is not null or version_no {{
            'in (1, version_count)' if correctable[column].dispatched else '= version_count'
        }}
            then coalesce(corrections.{{ column }}, numbered.{{ column }})
    end as {{ column }},
    {% else -%}
    numbered.{{ column }},
    {% endif -%}
    {% endfor -%}
    version_no,
    version_no = version_count as is_current,
    stored_load_id
from numbered
{% if feed != 'corrections' -%}
left join corrections on corrections.target_key = {{ record_key(feed) }}
{% endif %}
{% endmacro %}

{# The key columns of the records of a feed that this night touches; staging.touched_records names them by text. #}
{% macro touched_keys(feed, name='record_key') %}
    {%- if feed == 'roster' -%}
        select
            left(record_key, length(record_key) - 11),
            cast(right(record_key, 10) as date)
        from {{ ref('touched_records') }}
        where feed = 'roster'
    {%- else -%}
        select record_key{{ ' as ' ~ name if name != 'record_key' }} from {{ ref('touched_records') }} where feed = '{{ feed }}'
    {%- endif -%}
{% endmacro %}

{#
    The incremental strategy of versions: delete what is there of the touched keys, insert what is to be. dbt's
    own delete+insert looks for the keys in what is to be inserted, and so leaves a key whose last row has gone.
#}
{% macro replace_touched_keys(history, rows) %}
    {%- set feed = history.identifier[4:-8] -%}
    delete from {{ history }} where ({{ record_keys(feed) | join(', ') }}) in ({{ touched_keys(feed) }});
    insert into {{ history }}
    {{ rows }};
{% endmacro %}

{#
    What a column of a feed ever said in any version of the touched records, corrected or not: where they
    belonged before is among it, whatever a night that was killed has left of staging. keyed: with the
    record_key that said it.
#}
{% macro ever_said(feed, column, keyed=false) -%}
    {%- set type = feed_columns(feed).get(column, {}).get('type', 'text') -%}
    select {{ record_key(feed, 'typed') ~ ' as record_key, ' if keyed }}typed.{{ column }}
    from {{ ref('base_' ~ feed) }} as typed
    where typed.problems is null and {{ record_key(feed, 'typed') }} in ({{ touched_keys(feed) }})
    union
    select {{ 'corrections.target_key as record_key, ' if keyed }}{{ typed('corrections.new_value', type) }} as {{ column }}
    from {{ ref('base_corrections') }} as corrections
    inner join {{ ref('touched_records') }} as touched
        on touched.feed = corrections.target_feed and touched.record_key = corrections.target_key
    cross join {{ reading_of_corrections() }}
    where corrections.target_feed = '{{ feed }}' and corrections.field = '{{ column }}'
{%- endmacro %}

{# How the text of a correction's new value is to be read, for the macro typed. #}
{% macro reading_of_corrections() -%}
    (
        select time_zone as declared_time_zone, patterns, templates
        from {{ source('ops', 'declarations') }}
        where feed = 'corrections'
    ) as reading
{%- endmacro %}

{#
    Whether this is a night: of the orders, days and periods that it touches alone, and not a rebuild
    (--full-refresh) of all. A unit test gives a model all there is.
#}
{% macro is_night() %}
    {{ return(not flags.FULL_REFRESH and model.resource_type != 'unit_test') }}
{% endmacro %}

{#
    The versions of a feed that tonight's models look at: in a rebuild all, in a night those of the records
    that any version of theirs ties to an order, claim or technician in scope.
#}
{% macro versions_in_scope(feed) -%}
    {%- set key = record_key(feed) -%}
    {%- set history = ref('stg_' ~ feed ~ '_history') -%}
    select * from {{ history }} as history
    {%- if is_night() %}
    {%- if feed == 'work_orders' %}
    where history.order_id in (select scope.order_id from {{ ref('scope_orders') }} as scope)
    {%- elif feed in ('surveys', 'visits', 'pauses', 'complaints', 'inspections', 'parts') %}
    where
        history.{{ key }} in (
            select records.{{ key }}
            from {{ history }} as records
            inner join {{ ref('scope_orders') }} as scope on scope.order_id = records.order_id
        )
    {%- elif feed == 'expenses' %}
    where history.expense_id in (select scope.expense_id from {{ ref('scope_claims') }} as scope)
    {%- elif feed == 'recognitions' %}
    where
        history.recognition_id in (
            select records.recognition_id
            from {{ history }} as records
            inner join {{ ref('touched_honours') }} as touched on touched.technician_id = records.technician_id
            where records.is_current
        )
    {%- elif feed == 'roster' %}
    where
        (history.technician_id, history.work_date) in (
            select touched.technician_id, touched.day from {{ ref('touched_available_days') }} as touched
        )
    {%- endif %}
    {%- endif %}
{%- endmacro %}

{# The columns of a raw row that may be shown: without its provenance, and without personal ones. #}
{% macro shown_columns(feed) %}
    {% set shown = ['extra'] %}
    {% for column, meta in feed_columns(feed).items() if not meta.personal %}{% do shown.append(column) %}{% endfor %}
    {{ return(shown) }}
{% endmacro %}
