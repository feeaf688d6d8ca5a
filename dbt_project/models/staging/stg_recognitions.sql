-- One row per record of recognitions: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_recognitions_versions') }} where is_current
