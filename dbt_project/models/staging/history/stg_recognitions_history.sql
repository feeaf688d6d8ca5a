-- One row per good version of a record of recognitions, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['recognition_id', 'version_no'], 'unique': true},
        {'columns': ['technician_id']},
        {'columns': ['order_id']},
        {'columns': ['occurred_on']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('recognitions') }}
