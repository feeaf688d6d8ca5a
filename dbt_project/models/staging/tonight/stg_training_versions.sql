-- One row per good version of a record of training that tonight's models look at, oldest first.
{{ versions_in_scope('training') }}
