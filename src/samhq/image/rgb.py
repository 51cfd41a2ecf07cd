"""Pictures as the interfaces of other libraries take them: uint8 RGB [H,W,3] and nothing else.

`samhq.image.read` converts all else to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.read import NO_PICTURE, describe, file_name_of
from samhq.shapes import UInt8


def rgb_pixels(image: Any) -> UInt8[np.ndarray, "H W 3"]:
    """The picture, which must be uint8 [H,W,3] already, as the interfaces of other libraries expect it.

    Raises:
        ImageError: another shape or type, a path, or None; the message says how to read or convert it.
    """
    pixels = None if image is None or file_name_of(image) is not None else np.asarray(image)
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        came = describe(image) if pixels is None else f"{pixels.dtype} {list(pixels.shape)}"
        raise ImageError(
            f"Expected a picture of uint8 values and shape [height, width, 3], got {came}. {unread(image)}"
        )
    return pixels


def unread(image: Any) -> str:
    """What to do about a value that is not the pixels of a picture, for a message.

    >>> unread("cat.jpg")
    "Read it with samhq.image.read.read_image('cat.jpg')."
    """
    if image is None:
        return NO_PICTURE
    path = file_name_of(image)
    return (
        "Convert it with samhq.image.read.read_image(...)."
        if path is None
        else (f"Read it with samhq.image.read.read_image({path!r}).")
    )
