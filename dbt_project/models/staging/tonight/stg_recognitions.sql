-- One row per record of recognitions that tonight's models look at: its newest version.
select * from {{ ref('stg_recognitions_versions') }} where is_current
