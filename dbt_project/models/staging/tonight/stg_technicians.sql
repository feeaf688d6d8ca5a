-- One row per record of technicians that tonight's models look at: its newest version.
select * from {{ ref('stg_technicians_versions') }} where is_current
