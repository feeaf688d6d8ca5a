-- One row per record of roster: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_roster_versions') }} where is_current
