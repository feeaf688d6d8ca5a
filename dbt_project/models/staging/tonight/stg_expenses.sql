-- One row per record of expenses that tonight's models look at: its newest version.
select * from {{ ref('stg_expenses_versions') }} where is_current
