"""Every error that samhq raises on purpose.

A message has three parts: what was expected, what came, and what to do. The command line prints each of these errors as
one sentence and exits with code 2. This module knows nothing about tensors, files or models.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class SamHQError(Exception):
    """Base of all errors that samhq raises on purpose."""


class ConfigError(SamHQError, ValueError):
    """A model name or an option that cannot be used."""


class WrongCallError(ConfigError, TypeError):
    """A call with arguments that do not exist."""


class CheckpointError(SamHQError, RuntimeError):
    """A weights file that cannot be read, or that does not fit the model."""


class ImageError(SamHQError, ValueError):
    """A picture that cannot be read or has no usable shape, type or range."""


class PromptError(SamHQError, ValueError):
    """Points, boxes or masks of the wrong shape, order, range or type."""


class MissingExtraError(SamHQError, ImportError):
    """A feature whose optional dependency is not installed."""


class SamHQWarning(UserWarning):
    """Something was used in another way than it was given; the message says what came and what was used."""


@contextmanager
def naming(what: str, number: int, count: int | None, name: str = "") -> Iterator[None]:
    """A context that adds to picture and prompt errors the number of the item they are about, counted from 0.

    `count` is the number of items, or None if it is not known. A single item is not numbered.

    >>> with naming("prompt", 2, 5):
    ...     raise PromptError("Expected a, got b.")
    Traceback (most recent call last):
    samhq.errors.PromptError: Prompt 2 (of 0 to 4): Expected a, got b.
    """
    try:
        yield
    except (ImageError, PromptError) as error:
        if count != 1:
            among = "from 0" if count is None else f"of 0 to {count - 1}"
            which = f"{what.capitalize()} {number} ({among}){', ' * bool(name)}{name}"
            error.args = (f"{which}: {error}", *error.args[1:])
        raise


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest known name, and all of them; that there are none, if so.

    >>> did_you_mean("sam_hq_vitb", ["sam_hq_vit_b", "sam_vit_l"])
    "Did you mean 'sam_hq_vit_b'? Known: sam_hq_vit_b, sam_vit_l."
    """
    names = list(known)
    if not names:
        return "There are none."
    near = difflib.get_close_matches(name, names, n=1) or [known for known in names if known.lower() == name.lower()]
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."
