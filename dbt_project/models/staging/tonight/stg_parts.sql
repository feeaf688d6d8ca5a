-- One row per record of parts that tonight's models look at: its newest version.
select * from {{ ref('stg_parts_versions') }} where is_current
