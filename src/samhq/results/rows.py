"""Which rows of a result an index means. Knows nothing about what the rows hold."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from samhq.errors import ImageError, WrongCallError
from samhq.image.read import as_array


def chosen_rows(index: Any, count: int) -> slice | np.ndarray:
    """The rows, of `count`, that an index means: a number, several numbers, or a bool for each row.

    Negative numbers count from the end. A single number gives a slice, which copies nothing.

    >>> chosen_rows(-1, 3), chosen_rows([True, False, True], 3).tolist()
    (slice(2, 3, None), [0, 2])

    Raises:
        IndexError: a row that does not exist, or another number of bools.
        WrongCallError: anything else.
    """
    # A tensor with one entry is an index for Python, also if it is a bool.
    if getattr(index, "shape", ()) == () and not isinstance(index, bool):
        try:
            number = range(count)[operator.index(index)]
            return slice(number, number + 1)
        except TypeError:
            pass
    several = _array(index)
    if several.dtype == np.bool_ and several.shape != (count,):
        raise IndexError(f"Expected a bool for each of {count} rows, got shape {list(several.shape)}.")
    return np.arange(count)[several]


def _array(index: Any) -> np.ndarray:
    """The index as an array [N] of whole numbers or bools."""
    try:
        several = np.zeros(0, int) if isinstance(index, list) and not index else as_array(index)
    except ImageError:
        several = np.zeros(())
    if several.ndim != 1 or several.dtype.kind not in "bui":
        hint = f"The arrays are attributes: write result.{index}." if isinstance(index, str) else "Give one of these."
        raise WrongCallError(f"Expected a row's number, a slice, several numbers or bools, got {index!r:.80}. {hint}")
    return several
