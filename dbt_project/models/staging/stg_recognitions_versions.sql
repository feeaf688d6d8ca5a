-- One row per good version of a record of recognitions, typed, oldest first.
{{ feed_versions('recognitions') }}
