-- One row per distinct delivered row of expenses, typed; `problems` says what could not be.
{{ config(
    indexes=[
        {'columns': ['load_id', 'row_number']},
        {'columns': ['expense_id']},
        {'columns': ['load_id'], 'where': 'problems is not null'},
    ]
) }}
-- depends_on: {{ source('raw', 'expenses') }}
{{ typed_feed('expenses') }}
