-- One row per record of complaints: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_complaints_versions') }} where is_current
