-- One row per record of visits: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_visits_versions') }} where is_current
