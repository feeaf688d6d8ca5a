-- One row per delivered row and column that could not be taken, with the row as delivered.
-- Personal and confidential values are left out. A line no row could be made of has no column.
{% for feed in canonical_feeds() %}
select
    typed.load_id,
    '{{ feed }}' as feed,
    loads.file,
    typed.row_number,
    split_part(items.item, '=', 1) as column_name,
    split_part(items.item, '=', 2) as reason,
    {{ json_of('raw', shown_columns(feed)) }} as row
from {{ ref('base_' ~ feed) }} as typed
inner join {{ source('raw', feed) }} as raw
    on raw.load_id = typed.load_id and raw.row_number = typed.row_number
inner join {{ source('ops', 'loads') }} as loads on loads.load_id = typed.load_id
{{ each_item('typed.problems') }}
where typed.problems is not null

union all
{% endfor %}
select
    malformed.load_id,
    loads.feed,
    loads.file,
    malformed.row_number,
    cast(null as varchar) as column_name,
    malformed.reason,
    malformed.row
from {{ source('ops', 'malformed_rows') }} as malformed
inner join {{ source('ops', 'loads') }} as loads on loads.load_id = malformed.load_id
