-- One row per distinct delivered row of technicians, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['technician_id']}]
) }}
-- depends_on: {{ source('raw', 'technicians') }}
{{ typed_feed('technicians') }}
