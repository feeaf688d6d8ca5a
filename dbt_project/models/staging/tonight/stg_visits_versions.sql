-- One row per good version of a record of visits that tonight's models look at, oldest first.
{{ versions_in_scope('visits') }}
