-- One row: the night being worked on. The only place a model learns what time it is.
{{ config(materialized='view') }}
select run_id, business_date, as_of, time_zone
from {{ source('ops', 'night') }}
