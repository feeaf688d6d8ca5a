-- One row per record of surveys: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_surveys_versions') }} where is_current
