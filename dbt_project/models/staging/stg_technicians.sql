-- One row per record of technicians: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_technicians_versions') }} where is_current
