-- One row per distinct delivered row of visits, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['visit_id']}]
) }}
-- depends_on: {{ source('raw', 'visits') }}
{{ typed_feed('visits') }}
