"""Counts with their nouns, for messages."""

from __future__ import annotations


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun; `many` is the plural if it is not the noun with an s.

    >>> plural(1, "picture"), plural(0, "picture"), plural(2, "box", "boxes")
    ('1 picture', '0 pictures', '2 boxes')
    """
    return f"{count} {noun if count == 1 else many or noun + 's'}"
