-- One row per good version of a record of inspections, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['inspection_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['inspected_at']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('inspections') }}
