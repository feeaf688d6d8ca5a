-- One row per good version of a record of parts, typed, oldest first.
{{ feed_versions('parts') }}
