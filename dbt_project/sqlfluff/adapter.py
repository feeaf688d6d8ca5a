"""Stands in for dbt's adapter while sqlfluff reads the models without a database."""


def dispatch(macro_name, macro_namespace=None):
    """What an engine's macro would write, as one word that parses wherever it stands."""
    # A hint after a step is no expression, and nothing to lint.
    text = "" if macro_name == "computed_once" else "written_by_the_dialect"
    return lambda *arguments, **options: text
