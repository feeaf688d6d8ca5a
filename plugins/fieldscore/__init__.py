"""fieldscore: moves bytes, checks and orchestrates. The rules live in dbt_project/."""
