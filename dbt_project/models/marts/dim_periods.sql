-- One row per month scored.
select
    period_month,
    status,
    cast(edition as integer) as edition
from {{ ref('int_periods') }}
