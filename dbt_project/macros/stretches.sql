{#
    CTEs `marked`, `stretched` and `merged`: stretches of time (started_at, ended_at) of each order, where
    they overlap or touch made one. A stretch opens when it starts after all earlier ones ended.
#}
{% macro merged_stretches(stretches) -%}
marked as (
    select
        order_id,
        started_at,
        ended_at,
        case
            when started_at <= max(ended_at)
                    over (
                        partition by order_id
                        order by started_at, ended_at
                        rows between unbounded preceding and 1 preceding
                    )
                then 0
            else 1
        end as opens_stretch
    from {{ stretches }}
),

stretched as (
    select
        order_id,
        started_at,
        ended_at,
        sum(opens_stretch) over (
            partition by order_id
            order by started_at, ended_at
            rows between unbounded preceding and current row
        ) as stretch_no
    from marked
),

merged as (
    select
        order_id,
        stretch_no,
        min(started_at) as started_at,
        max(ended_at) as ended_at
    from stretched
    group by order_id, stretch_no
)
{%- endmacro %}
