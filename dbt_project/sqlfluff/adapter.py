"""Stands in for dbt's adapter while sqlfluff reads the models without a database."""


def dispatch(macro_name, macro_namespace=None):
    """What an engine's macro would write, as one word that parses wherever it stands."""
    return lambda *arguments, **options: "written_by_the_dialect"
