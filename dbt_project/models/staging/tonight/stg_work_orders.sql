-- One row per record of work_orders that tonight's models look at: its newest version.
select * from {{ ref('stg_work_orders_versions') }} where is_current
