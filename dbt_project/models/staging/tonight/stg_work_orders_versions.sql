-- One row per good version of a record of work_orders that tonight's models look at, oldest first.
{{ versions_in_scope('work_orders') }}
