-- One row per good version of a record of training, typed, oldest first.
{{ feed_versions('training') }}
