-- One row per good version of a record of work_orders, typed, oldest first.
{{ feed_versions('work_orders') }}
