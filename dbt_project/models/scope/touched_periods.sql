-- One row per technician and month that this night works out anew.
select distinct
    technician_id,
    cast(date_trunc('month', business_date) as date) as period_month,
    0 as edition
from {{ ref('touched_days') }}

union

select recognitions.technician_id, recognitions.period_month, 0 as edition
from {{ ref('int_recognitions') }} as recognitions

union

select recognitions.technician_id, recognitions.period_month, 0 as edition
from {{ source('published', 'fct_recognitions') }} as recognitions
inner join {{ ref('touched_honours') }} as touched on touched.technician_id = recognitions.technician_id
