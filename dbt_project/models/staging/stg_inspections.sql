-- One row per record of inspections: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_inspections_versions') }} where is_current
