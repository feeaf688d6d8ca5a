-- One row per good version of a record of inspections that tonight's models look at, oldest first.
{{ versions_in_scope('inspections') }}
