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
    one = isinstance(pictures, (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)) or hasattr(
        pictures, "read"
    )
    if one or getattr(pictures, "ndim", 4) < 4:
        raise ImageError(f"Expected a list of pictures, got one: {describe(pictures)}. Write [picture].")
    if not (hasattr(pictures, "__len__") and hasattr(pictures, "__getitem__")):
        raise ImageError(f"Expected a list of pictures, got {describe(pictures)}. Write list(pictures).")
    return pictures
