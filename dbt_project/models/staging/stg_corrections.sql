-- One row per record of corrections: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_corrections_versions') }} where is_current
