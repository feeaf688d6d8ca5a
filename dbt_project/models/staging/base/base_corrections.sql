-- One row per distinct delivered row of corrections, typed; `problems` says what could not be.
{{ config(
    indexes=[
        {'columns': ['load_id', 'row_number']},
        {'columns': ['correction_id']},
        {'columns': ['load_id'], 'where': 'problems is not null'},
    ]
) }}
-- depends_on: {{ source('raw', 'corrections') }}
{{ typed_feed('corrections') }}
