"""The errors a person is meant to read."""


class FieldscoreError(Exception):
    """Something a person can put right: the message names file, row or key, and what to do next.

    A task never retries it: the same input fails the same way.
    """


class PassingFault(Exception):
    """Something that may be gone in a minute: a cut connection, a file still being written."""
