-- One row per record of expenses: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_expenses_versions') }} where is_current
