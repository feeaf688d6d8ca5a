-- Fails for every scored technician-period whose effective weights do not add up to 100.
select
    kpis.period_month,
    kpis.technician_id,
    sum(kpis.effective_weight) as effective_weight
from {{ ref('fct_technician_kpis') }} as kpis
inner join {{ ref('fct_technician_scores') }} as scores
    on scores.period_month = kpis.period_month
    and scores.edition = kpis.edition
    and scores.technician_id = kpis.technician_id
where scores.status = 'scored'
group by kpis.period_month, kpis.technician_id
having abs(sum(kpis.effective_weight) - 100) > 0.00000001
