-- One row per good version of a record of visits, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['visit_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['(coalesce(arrived_at, slot_start, updated_at))']},
        {'columns': ['technician_id', '(coalesce(arrived_at, slot_start, updated_at))']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('visits') }}
