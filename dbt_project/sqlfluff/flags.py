"""Stands in for dbt's flags while sqlfluff reads the models: a night, not a rebuild."""

FULL_REFRESH = False
