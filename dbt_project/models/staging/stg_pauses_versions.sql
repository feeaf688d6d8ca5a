-- One row per good version of a record of pauses, typed, oldest first.
{{ feed_versions('pauses') }}
