-- Fails for every load of which a row is neither current, superseded, unchanged nor rejected, or is two of them.
select *
from {{ ref('accounting') }}
where delivered <> current_rows + superseded + unchanged + rejected
