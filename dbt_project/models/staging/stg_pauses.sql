-- One row per record of pauses: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_pauses_versions') }} where is_current
