-- One row per distinct delivered row of surveys, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['survey_id']}]
) }}
-- depends_on: {{ source('raw', 'surveys') }}
{{ typed_feed('surveys') }}
