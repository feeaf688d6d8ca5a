-- One row per distinct delivered row of pauses, typed; `problems` says what could not be.
{{ config(
    indexes=[
        {'columns': ['load_id', 'row_number']},
        {'columns': ['pause_id']},
        {'columns': ['load_id'], 'where': 'problems is not null'},
    ]
) }}
-- depends_on: {{ source('raw', 'pauses') }}
{{ typed_feed('pauses') }}
