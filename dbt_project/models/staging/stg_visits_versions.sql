-- One row per good version of a record of visits, typed, oldest first.
{{ feed_versions('visits') }}
