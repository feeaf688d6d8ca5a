-- One row per record of parts: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_parts_versions') }} where is_current
