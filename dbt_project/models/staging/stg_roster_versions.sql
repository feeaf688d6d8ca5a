-- One row per good version of a record of roster, typed, oldest first.
{{ feed_versions('roster') }}
