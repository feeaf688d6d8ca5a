-- One row per distinct delivered row of training, typed; `problems` says what could not be.
{{ config(
    indexes=[
        {'columns': ['load_id', 'row_number']},
        {'columns': ['training_id']},
        {'columns': ['load_id'], 'where': 'problems is not null'},
    ]
) }}
-- depends_on: {{ source('raw', 'training') }}
{{ typed_feed('training') }}
