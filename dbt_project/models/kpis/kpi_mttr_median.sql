-- One row per repair that ended: net minutes from report to first completion.
-- The records are those of mttr_mean; a period's median is taken of them, not of days.
with
mean_records as (
    select * from {{ ref('kpi_mttr_mean') }}
)

{{ same_records('mttr_median', of='mean_records', numerator='events.numerator') }}
