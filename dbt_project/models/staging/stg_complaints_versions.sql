-- One row per good version of a record of complaints, typed, oldest first.
{{ feed_versions('complaints') }}
