-- One row per good version of a record of recognitions that tonight's models look at, oldest first.
{{ versions_in_scope('recognitions') }}
