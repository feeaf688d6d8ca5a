-- One row per record of areas: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_areas_versions') }} where is_current
