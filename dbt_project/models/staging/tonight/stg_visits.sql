-- One row per record of visits that tonight's models look at: its newest version.
select * from {{ ref('stg_visits_versions') }} where is_current
