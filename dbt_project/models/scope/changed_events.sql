-- One row per record that counts otherwise than as it is published, or no more, or for the first time, and
-- per technician and day it counted for or counts for now. A rebuild replaces all events, so there are none.
{% set columns = [
    'kpi_code', 'feed', 'record_key', 'order_id', 'technician_id', 'business_date', 'anchored_at', 'eligible',
    'reason_code', 'mature', 'next_change_at', 'numerator', 'denominator', 'expected', 'stratum', 'evidence_ref',
] | join(', ') -%}
with
before as (
    select {{ columns }} from {{ ref('touched_events') }} where {{ is_night() | lower }}
),

tonight as (
    select {{ columns }} from {{ ref('int_kpi_events') }} where {{ is_night() | lower }}
),

gone as (
    select {{ columns }} from before
    except
    select {{ columns }} from tonight
),

come as (
    select {{ columns }} from tonight
    except
    select {{ columns }} from before
)

select kpi_code, feed, record_key, technician_id, business_date from gone
union
select kpi_code, feed, record_key, technician_id, business_date from come
