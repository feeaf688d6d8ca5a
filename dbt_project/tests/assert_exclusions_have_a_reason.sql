-- Fails for every record that does not count and does not say why.
select *
from {{ ref('fct_kpi_events') }}
where not eligible and reason_code is null
