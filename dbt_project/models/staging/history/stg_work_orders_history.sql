-- One row per good version of a record of work_orders, typed, oldest first; kept from night to night.
{{ config(
    indexes=[
        {'columns': ['order_id', 'version_no'], 'unique': true},
        {'columns': ['appliance_serial']},
        {'columns': ['customer_id']},
        {'columns': ['follow_up_of']},
        {'columns': ['technician_id']},
        {'columns': ['area_id']},
        {'columns': ['reported_at']},
        {'columns': ['reported_at'], 'where': 'is_current and technician_id is null'},
        {'columns': ['(greatest(assigned_at, accepted_at, arrived_at, completed_at, cancelled_at))']},
        {'columns': ['stored_load_id']},
    ]
) }}
{{ feed_history('work_orders') }}
