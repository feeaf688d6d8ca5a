-- One row per good version of a record of roster, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['technician_id', 'work_date', 'version_no'], 'unique': true},
        {'columns': ['work_date']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('roster') }}
