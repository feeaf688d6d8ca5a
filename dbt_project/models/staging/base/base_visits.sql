-- One row per distinct delivered row of visits, typed; `problems` says what could not be.
{{ config(
    indexes=[
        {'columns': ['load_id', 'row_number']},
        {'columns': ['visit_id']},
        {'columns': ['load_id'], 'where': 'problems is not null'},
    ]
) }}
-- depends_on: {{ source('raw', 'visits') }}
{{ typed_feed('visits') }}
