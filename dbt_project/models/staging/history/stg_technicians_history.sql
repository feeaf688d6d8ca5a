-- One row per good version of a record of technicians, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['technician_id', 'version_no'], 'unique': true},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('technicians') }}
