-- One row per distinct delivered row of expenses, typed; `problems` says what could not be.
{{ config(
    indexes=[{'columns': ['load_id', 'row_number']}, {'columns': ['expense_id']}]
) }}
-- depends_on: {{ source('raw', 'expenses') }}
{{ typed_feed('expenses') }}
