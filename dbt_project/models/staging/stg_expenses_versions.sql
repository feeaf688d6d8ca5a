-- One row per good version of a record of expenses, typed, oldest first.
{{ feed_versions('expenses') }}
