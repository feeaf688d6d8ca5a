"""Stands in for the model dbt compiles while sqlfluff reads it."""

resource_type = "model"
