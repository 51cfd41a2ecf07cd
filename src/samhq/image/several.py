"""Checks that several pictures were given, where a function takes several. Knows nothing about their content."""

from __future__ import annotations

import os
from typing import Any

from PIL import Image

from samhq.errors import ImageError
from samhq.image.read import describe


def several(pictures: Any) -> Any:
    """The pictures as they were given, if they are several: a list, a tuple, an array [N,H,W,C], or another sequence.

    >>> several(["a.jpg", "b.jpg"])
    ['a.jpg', 'b.jpg']

    Raises:
        ImageError: one picture, or an iterator, which has no length.
    """
    if _is_one(pictures):
        raise ImageError(f"Expected a list of pictures, got one: {describe(pictures)}. Write [picture].")
    if not (hasattr(pictures, "__len__") and hasattr(pictures, "__getitem__")):
        raise ImageError(f"Expected a list of pictures, got {describe(pictures)}. Write list(pictures).")
    return pictures


def _is_one(pictures: Any) -> bool:
    """Whether this is one picture: a path, bytes, a file, pixels, or a value that has no parts, such as an encoded one.

    An array [N] of names, such as a column of a table, is several.
    """
    if isinstance(pictures, (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)) or hasattr(pictures, "read"):
        return True
    kind = getattr(getattr(pictures, "dtype", None), "kind", "")
    if kind in ("O", "U", "T"):
        return False
    has_parts = hasattr(pictures, "__iter__") or hasattr(pictures, "__getitem__")
    return getattr(pictures, "ndim", 4) < 4 or not has_parts
