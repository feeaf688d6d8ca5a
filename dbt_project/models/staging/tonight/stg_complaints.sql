-- One row per record of complaints that tonight's models look at: its newest version.
select * from {{ ref('stg_complaints_versions') }} where is_current
