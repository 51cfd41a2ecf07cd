"""Annotations of samhq, shapes included, are checked: what the import hook in `conftest.py` puts around each function.

The check comes after the call. A function that refuses wrong input with its own error is free to do so; one that
accepts input or returns a value outside its annotations fails the test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

#: Values that keep what a caller gave, of any type; where they are used, wrong ones are refused with an error.
_REFUSED_LATER = {"Prompt.__init__", "Example.__init__"}
_CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its annotations checked, but for jaxtyping's check of parameters before a call.

    jaxtyping checks twice: parameters alone, then parameters and the value together. Only the second
    stand-in has an annotated return.
    """
    returns = inspect.signature(function).return_annotation
    if returns in (Any, inspect.Signature.empty) or function.__qualname__ in _REFUSED_LATER:
        return function
    return _CHECK(function)
