-- Fails for every score that is not, to the last hundredth, the sum of its lines.
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
group by scores.period_month, scores.technician_id, scores.score
having
    coalesce(sum(lines.points), 0) <> coalesce(scores.score, 0) * 100
    or (scores.score is null and count(lines.points) > 0)
