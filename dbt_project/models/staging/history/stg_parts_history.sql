-- One row per good version of a record of parts, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['part_line_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['technician_id']},
        {'columns': ['updated_at']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('parts') }}
