-- One row per record of surveys that tonight's models look at: its newest version.
select * from {{ ref('stg_surveys_versions') }} where is_current
