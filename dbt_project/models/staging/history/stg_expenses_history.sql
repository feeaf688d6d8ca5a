-- One row per good version of a record of expenses, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['expense_id', 'version_no'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['technician_id', 'incurred_on']},
        {'columns': ['incurred_on']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('expenses') }}
