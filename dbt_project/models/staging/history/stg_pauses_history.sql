-- One row per good version of a record of pauses, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['pause_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['started_at']},
        {'columns': ['ended_at']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('pauses') }}
