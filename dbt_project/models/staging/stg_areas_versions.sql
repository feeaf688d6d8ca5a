-- One row per good version of a record of areas, typed, oldest first.
{{ feed_versions('areas') }}
