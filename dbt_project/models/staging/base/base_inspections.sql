-- One row per distinct delivered row of inspections, typed; `problems` says what could not be.
{{ config(
    pre_hook="{{ forget_other_readings('inspections') }}",
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['inspection_id']}]
) }}
-- depends_on: {{ source('raw', 'inspections') }}
{{ typed_feed('inspections') }}
