-- One row per order that ended: did it come back within the long repeat limit?
-- A reopening counts within the short one, as for repeat_repair_7d. Counts for the day of first
-- completion (cancelled: of cancellation), for the accountable technician, once the long limit is over.
{{ repeat_events('repeat_repair_30d', 'repeat_long_limit') }}
