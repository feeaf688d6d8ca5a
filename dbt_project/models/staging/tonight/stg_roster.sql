-- One row per record of roster that tonight's models look at: its newest version.
select * from {{ ref('stg_roster_versions') }} where is_current
