-- One row per good version of a record of technicians, typed, oldest first.
{{ feed_versions('technicians') }}
