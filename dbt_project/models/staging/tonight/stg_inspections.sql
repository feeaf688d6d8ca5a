-- One row per record of inspections that tonight's models look at: its newest version.
select * from {{ ref('stg_inspections_versions') }} where is_current
