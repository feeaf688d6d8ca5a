-- One row per order: was it first completed within the on-time limit by the wall clock?
-- Counts for the day it was due, for who held it when it was due or completed, whichever came first.
{{ on_time_events('on_time_24h_gross', 'gross_due') }}
