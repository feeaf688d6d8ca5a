-- One row per good version of a record of corrections, typed, oldest first.
{{ feed_versions('corrections') }}
