-- One row per distinct delivered row of pauses, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['pause_id']}]
) }}
-- depends_on: {{ source('raw', 'pauses') }}
{{ typed_feed('pauses') }}
