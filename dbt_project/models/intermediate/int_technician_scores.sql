-- One row per technician and period: the score, how sure it is, and where it stands. Handbook 4.4 and 5.
with
kpis as (
    select * from {{ ref('int_technician_kpis') }}
),

events as (
    select * from {{ ref('int_period_events') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

judged_orders as (
    select period_month, technician_id, order_id
    from events
    where eligible and mature and technician_id is not null and order_id is not null
    group by period_month, technician_id, order_id
),

order_counts as (
    select period_month, technician_id, count(*) as orders
    from judged_orders
    group by period_month, technician_id
),

summed as (
    select
        kpis.period_month,
        kpis.edition,
        kpis.technician_id,
        bool_and(kpis.is_scored) as is_scored,
        sum(kpis.contribution) as score,
        sum(kpis.contribution_error * kpis.contribution_error) as variance,
        {% for family in ['quality', 'workload', 'cost'] -%}
        {{ ratio(
            "sum(kpis.contribution) filter (where kpis.family = '" ~ family ~ "') * 100",
            "sum(kpis.effective_weight) filter (where kpis.family = '" ~ family ~ "')", 2
        ) }} as {{ family }}_score,
        {% endfor -%}
        max(kpis.n) filter (where kpis.kpi_code = 'csat_top2') as answers
    from kpis
    group by kpis.period_month, kpis.edition, kpis.technician_id
),

-- Recognitions add to a score, up to their cap (handbook 5.4).
recognised as (
    select
        recognitions.period_month,
        recognitions.technician_id,
        least(sum(recognitions.points), max(periods.recognition_cap_limit)) as points
    from {{ ref('int_period_recognitions') }} as recognitions
    inner join periods on periods.period_month = recognitions.period_month
    where recognitions.eligible
    group by recognitions.period_month, recognitions.technician_id
),

badged as (
    select
        summed.period_month,
        summed.edition,
        summed.technician_id,
        summed.is_scored,
        summed.score + coalesce(recognised.points, 0) as score,
        summed.variance,
        summed.quality_score,
        summed.workload_score,
        summed.cost_score,
        case
            when
                coalesce(order_counts.orders, 0) < periods.few_orders_limit
                or coalesce(summed.answers, 0) < periods.few_answers_limit
                then 'few_data'
        end as badge
    from summed
    inner join periods on periods.period_month = summed.period_month
    left join recognised
        on recognised.period_month = summed.period_month
        and recognised.technician_id = summed.technician_id
    left join order_counts
        on order_counts.period_month = summed.period_month
        and order_counts.technician_id = summed.technician_id
),

-- Half-widths are squared once: the square of the difference is compared, pair by pair.
standing as (
    select
        period_month,
        technician_id,
        score,
        cast(1.96 * 1.96 * variance as decimal(20, 8)) as half_width_squared
    from badged
    where is_scored and badge is null
),

{% if is_night() -%}
published as (
    select
        scores.*,
        touched.technician_id is not null as is_touched
    from {{ source('published', 'fct_technician_scores') }} as scores
    left join {{ ref('touched_periods') }} as touched
        on touched.technician_id = scores.technician_id and touched.period_month = scores.period_month
    where scores.period_month in (select months.period_month from {{ ref('touched_periods') }} as months)
),

stood as (
    select period_month, technician_id, score, half_width_squared
    from published
    where is_touched and status = 'scored' and badge is null
),

-- A rank is relative: of a month in which anybody stands elsewhere than he did, all others may move.
differing as (
    (
        select * from standing
        except
        select * from stood
    )

    union all

    (
        select * from stood
        except
        select * from standing
    )
),

moved as (
    select distinct period_month from differing
),

others as (
    select published.*
    from published
    inner join moved on moved.period_month = published.period_month
    where not published.is_touched
),

{% endif -%}
ranked as (
    {% if is_night() -%}
    select standing.*
    from standing
    inner join moved on moved.period_month = standing.period_month

    union all

    select period_month, technician_id, score, half_width_squared
    from others
    where status = 'scored' and badge is null
    {%- else -%}
    select * from standing
    {%- endif %}
),

-- Two people are apart when their scores differ by more than their half-widths together can explain.
compared as (
    select
        mine.period_month,
        mine.technician_id,
        1 + count(*) filter (
            where theirs.score > mine.score
            and (theirs.score - mine.score) * (theirs.score - mine.score)
            > mine.half_width_squared + theirs.half_width_squared
        ) as rank_low,
        count(*) - count(*) filter (
            where theirs.score < mine.score
            and (theirs.score - mine.score) * (theirs.score - mine.score)
            > mine.half_width_squared + theirs.half_width_squared
        ) as rank_high
    from ranked as mine
    inner join ranked as theirs on theirs.period_month = mine.period_month
    group by mine.period_month, mine.technician_id
),

standings as (
    select * from compared
    {%- if is_night() %}

    union all

    select published.period_month, published.technician_id, published.rank_low, published.rank_high
    from published
    where published.is_touched and published.period_month not in (select moved.period_month from moved)
    {%- endif %}
)

select
    badged.period_month,
    badged.edition,
    badged.technician_id,
    case when badged.is_scored then 'scored' else 'insufficient_data' end as status,
    case when badged.is_scored then badged.score end as score,
    case when badged.is_scored then cast(1.96 * sqrt(badged.variance) as decimal(20, 8)) end as half_width,
    case when badged.is_scored then badged.quality_score end as quality_score,
    case when badged.is_scored then badged.workload_score end as workload_score,
    case when badged.is_scored then badged.cost_score end as cost_score,
    -- A family that was not measured has nothing to be compared with.
    case
        when
            badged.is_scored and badged.quality_score is not null and badged.workload_score is not null
            then {{ ratio(
                'least(badged.quality_score, badged.workload_score)',
                'greatest(badged.quality_score, badged.workload_score)'
            ) }}
    end as balance,
    standings.rank_low,
    standings.rank_high,
    badged.badge,
    case when badged.is_scored then cast(1.96 * 1.96 * badged.variance as decimal(20, 8)) end as half_width_squared
from badged
left join standings
    on standings.period_month = badged.period_month
    and standings.technician_id = badged.technician_id
{%- if is_night() %}

union all

select
    others.period_month,
    others.edition,
    others.technician_id,
    others.status,
    others.score,
    others.half_width,
    others.quality_score,
    others.workload_score,
    others.cost_score,
    others.balance,
    standings.rank_low,
    standings.rank_high,
    others.badge,
    others.half_width_squared
from others
left join standings
    on standings.period_month = others.period_month
    and standings.technician_id = others.technician_id
{%- endif %}
