-- One row per good version of a record of surveys, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['survey_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['sent_at']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('surveys') }}
