"""Masks as boolean NumPy arrays, from an array, a tensor on any device, or a nested list.

Knows nothing about files, networks or the objects of masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.read import as_array, describe
from samhq.shapes import Bool


def one_mask(mask: Any) -> Bool[np.ndarray, "H W"]:
    """The mask as a bool array [H,W]; shares memory with `mask` if possible.

    >>> one_mask([[True, False]]).shape
    (1, 2)

    Raises:
        ImageError: not bool, or not two-dimensional.
    """
    array = _bool_array(mask, "one bool mask [H, W]")
    if array.ndim != 2:
        raise ImageError(f"Expected one bool mask [H, W], got {describe(mask)}. Give one mask at a time.")
    return array


def several_masks(masks: Any) -> Bool[np.ndarray, "*n H W"]:
    """Masks as a bool array [..., H, W]; shares memory with `masks` if possible.

    Raises:
        ImageError: not bool, or without height and width.
    """
    array = _bool_array(masks, "bool masks [..., H, W]")
    if array.ndim < 2:
        raise ImageError(f"Expected bool masks [..., H, W], got {describe(masks)}. Give masks with height and width.")
    return array


def _bool_array(mask: Any, expected: str) -> np.ndarray:
    array = as_array(mask)
    if array.dtype != np.bool_:
        raise ImageError(
            f"Expected {expected}, got {array.dtype} {list(array.shape)}. For logits pass `logits > 0`, for a 0/255 "
            "mask `mask > 127`."
        )
    return array
