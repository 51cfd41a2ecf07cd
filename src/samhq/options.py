"""Checks the values of options: whole numbers, numbers in a range, yes or no, one of several words.

Each function returns a plain Python value, so that a configuration can be written as JSON. Knows nothing about what an
option means.
"""

from __future__ import annotations

import math
import operator
from typing import Any, get_args

from samhq.errors import ConfigError, did_you_mean


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as an int between `least` and `most`, both included.

    >>> whole_number("points_per_side", 32, 1, 1024)
    32

    Raises:
        ConfigError: a bool, a fraction, text, or a number outside the range.
    """
    try:
        number = None if _is_bool(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        raise ConfigError(
            f"Expected {name} as a whole number {_range(least, most)}, got {_shown(value)}. Use such a number."
        )
    return number


def real_number(
    name: str, value: Any, least: float = -math.inf, most: float = math.inf, *, above: bool = False, below: bool = False
) -> float:
    """The value as a finite number between `least` and `most`; `above` and `below` exclude the limits themselves.

    An int stays an int.

    >>> real_number("overlap", 0.5, 0, 1, below=True)
    0.5

    Raises:
        ConfigError: a bool, text, NaN, infinity, or a number outside the range.
    """
    plain = _plain(value)
    inside = plain is not None and least <= plain <= most and not (above and plain == least)
    if plain is None or not inside or (below and plain == most):
        raise ConfigError(
            f"Expected {name} as a number {_range(least, most, above, below)}, got {_shown(value)}. Use such a number."
        )
    return plain


def yes_or_no(name: str, value: Any) -> bool:
    """The value as a bool: True, False, NumPy's, or the numbers 1 and 0.

    >>> yes_or_no("multimask", False)
    False

    Raises:
        ConfigError: anything else; the text "False" would count as true.
    """
    if not _is_bool(value) and not (type(value) is int and value in (0, 1)):
        raise ConfigError(f"Expected {name} as True or False, got {_shown(value)}. Use one of these.")
    return bool(value)


def one_of(name: str, value: Any, literal: Any) -> Any:
    """The value, which must be one of the words of a `Literal`.

    >>> from typing import Literal
    >>> one_of("hq", "add", Literal["add", "only", "off"])
    'add'

    Raises:
        ConfigError: another value; the message offers the nearest word.
    """
    words = get_args(literal)
    if not isinstance(value, str) or value not in words:
        raise ConfigError(
            f"Expected {name} as one of its words, got {_shown(value)}. {did_you_mean(str(value), words)}"
        )
    return value


def _plain(value: Any) -> float | None:
    """The value as a finite Python int or float; None if it is not one."""
    if _is_bool(value) or isinstance(value, (str, bytes)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        pass
    try:
        plain = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    return plain if math.isfinite(plain) else None


def _is_bool(value: Any) -> bool:
    """Whether this is Python's or NumPy's bool."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _range(least: float, most: float | None, above: bool = False, below: bool = False) -> str:
    """The range as text.

    >>> _range(0, 1, below=True), _range(1, None)
    ('from 0 up to below 1', 'of at least 1')
    """
    if most is None or most == math.inf:
        return "that is finite" if least == -math.inf else f"{'above' if above else 'of at least'} {least:g}"
    return f"{'above' if above else 'from'} {least:g} up to {'below ' if below else ''}{most:g}"


def _shown(value: Any) -> str:
    """The value for a message, at most 80 characters, with a hint if it is a number as text."""
    hint = ""
    if isinstance(value, str) and _numeric(value):
        hint = " (text; YAML reads 1e-4 as text and 1.0e-4 as a number)"
    text = repr(value)
    return (text if len(text) <= 80 else f"{text[:77]}...") + hint


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
