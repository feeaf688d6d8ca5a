-- One row per good version of a record of corrections that tonight's models look at, oldest first.
{{ config(materialized='view') }}
{{ versions_in_scope('corrections') }}
