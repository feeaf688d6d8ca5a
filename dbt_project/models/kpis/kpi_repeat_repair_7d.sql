-- One row per order that ended: did it come back within the short repeat limit?
-- A repair reopened in that time is a repeat of itself (handbook 2.11). Counts for the day of first completion
-- (cancelled: of cancellation), for the accountable technician, once the limit is over.
{{ repeat_events('repeat_repair_7d', 'repeat_limit') }}
