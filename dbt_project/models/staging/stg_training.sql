-- One row per record of training: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_training_versions') }} where is_current
