-- One row per period and technician.
select
    period_month,
    cast(edition as integer) as edition,
    technician_id,
    status,
    cast(score as decimal(6, 2)) as score,
    cast(half_width as decimal(6, 2)) as half_width,
    cast(quality_score as decimal(6, 2)) as quality_score,
    cast(workload_score as decimal(6, 2)) as workload_score,
    cast(cost_score as decimal(6, 2)) as cost_score,
    cast(balance as decimal(12, 10)) as balance,
    cast(rank_low as bigint) as rank_low,
    cast(rank_high as bigint) as rank_high,
    badge,
    half_width_squared
from {{ ref('int_technician_scores') }}
