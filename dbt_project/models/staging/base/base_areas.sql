-- One row per distinct delivered row of areas, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['area_id']}]
) }}
-- depends_on: {{ source('raw', 'areas') }}
{{ typed_feed('areas') }}
