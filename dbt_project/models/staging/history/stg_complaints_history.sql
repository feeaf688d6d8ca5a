-- One row per good version of a record of complaints, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['complaint_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['received_at']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('complaints') }}
