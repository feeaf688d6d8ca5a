-- One row per good version of a record of surveys, typed, oldest first.
{{ feed_versions('surveys') }}
