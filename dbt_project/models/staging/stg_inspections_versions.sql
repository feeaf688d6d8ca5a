-- One row per good version of a record of inspections, typed, oldest first.
{{ feed_versions('inspections') }}
