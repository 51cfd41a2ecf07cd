"""Refuses fractions for flags that take whole numbers; the parser would round them.

Knows nothing about what the numbers mean, nor about their ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from samhq.errors import ConfigError

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection


def refuse_fractions(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Checks the values of flags for whole numbers, before the parser converts them.

    The parameters are those that the parser gives to a function of its `config`.

    Raises:
        ConfigError: a fraction, such as 2.6, or 2.0.
    """
    for argument in arguments:
        if argument.parameter.converter is None and _is_whole(argument.hint):
            for token in argument.tokens:
                _check(argument.name, token.value)


def _is_whole(hint: Any) -> bool:
    """Whether the hint is int, an int that may be left out, or a tuple of ints.

    >>> _is_whole(int), _is_whole(int | None), _is_whole(tuple[int, ...]), _is_whole(float | None), _is_whole(bool)
    (True, True, True, False, False)
    """
    parts = [part for part in get_args(hint) or (hint,) if part not in (type(None), ...)]
    return parts == [int] or (len(parts) == 1 and parts[0] is not hint and _is_whole(parts[0]))


def _check(flag: str, text: str) -> None:
    """Checks that a number has no fractional part. The parser refuses text that is no number.

    Raises:
        ConfigError: it has one.
    """
    try:
        number = float(text)
    except ValueError:
        return
    if "." in text or "e" in text.lower():
        nearest = f" Write {flag} {round(number)}." if abs(number) < 1e18 else ""
        raise ConfigError(f"Expected a whole number for {flag}, got {text}.{nearest}")
