-- Fails for every KPI whose lines are not, to the last hundredth, its contribution.
with
lines as (
    select period_month, edition, technician_id, kpi_code, sum(points) as points
    from {{ ref('fct_score_lines') }}
    group by period_month, edition, technician_id, kpi_code
),

kpis as (
    select * from {{ ref('fct_technician_kpis') }}
),

scores as (
    select * from {{ ref('fct_technician_scores') }} where status = 'scored'
)

select
    kpis.period_month,
    kpis.technician_id,
    kpis.kpi_code,
    kpis.contribution,
    lines.points
from kpis
inner join scores
    on scores.period_month = kpis.period_month
    and scores.edition = kpis.edition
    and scores.technician_id = kpis.technician_id
left join lines
    on lines.period_month = kpis.period_month
    and lines.edition = kpis.edition
    and lines.technician_id = kpis.technician_id
    and lines.kpi_code = kpis.kpi_code
where coalesce(lines.points, 0) <> coalesce(kpis.contribution, 0) * 100
