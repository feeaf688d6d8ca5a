-- One row per record of work_orders: its newest version.
{{ config(materialized='view') }}
select * from {{ ref('stg_work_orders_versions') }} where is_current
