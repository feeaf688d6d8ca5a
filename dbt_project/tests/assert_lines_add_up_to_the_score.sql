-- Fails for every score worked out that is not, to the last hundredth, the sum of its lines.
select
    scores.period_month,
    scores.technician_id,
    scores.score,
    sum(lines.points) as line_points
from {{ ref('fct_technician_scores') }} as scores
left join {{ ref('fct_score_lines') }} as lines
    on lines.period_month = scores.period_month
    and lines.edition = scores.edition
    and lines.technician_id = scores.technician_id
-- Of whom only the rank may have moved, score and lines stand as published.
where (scores.period_month, scores.technician_id) in (
        select kpis.period_month, kpis.technician_id from {{ ref('fct_technician_kpis') }} as kpis
    )
group by scores.period_month, scores.technician_id, scores.score
having
    coalesce(sum(lines.points), 0) <> coalesce(scores.score, 0) * 100
    or (scores.score is null and count(lines.points) > 0)
