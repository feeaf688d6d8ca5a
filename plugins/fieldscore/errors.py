"""The errors a person is meant to read."""


class FieldscoreError(Exception):
    """Something a person can put right: the message names file, row or key, and what to do next.

    A task never retries it: the same input fails the same way.
    """


class PassingFault(Exception):
    """Something that may be gone in a minute: a cut connection, a file still being written."""


def one_line(text: str) -> str:
    """A text of somebody else's as one line of a message: what does not print is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
