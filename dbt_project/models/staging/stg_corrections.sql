-- One row per record of corrections that tonight's models look at: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_corrections_versions') }} where is_current
