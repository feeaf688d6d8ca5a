-- One row per distinct delivered row of visits, typed; `problems` says what could not be.
{{ config(
    pre_hook="{{ forget_other_readings('visits') }}",
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['visit_id']}]
) }}
-- depends_on: {{ source('raw', 'visits') }}
{{ typed_feed('visits') }}
