-- One row per record of pauses that tonight's models look at: its newest version.
select * from {{ ref('stg_pauses_versions') }} where is_current
