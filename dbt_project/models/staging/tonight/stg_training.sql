-- One row per record of training that tonight's models look at: its newest version.
select * from {{ ref('stg_training_versions') }} where is_current
