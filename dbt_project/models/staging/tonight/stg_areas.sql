-- One row per record of areas that tonight's models look at: its newest version.
select * from {{ ref('stg_areas_versions') }} where is_current
