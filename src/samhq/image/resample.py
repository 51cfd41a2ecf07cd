"""Resizes arrays: low-resolution logits to a picture's pixels, and a picture's mask to low resolution.

Does for arrays what `Frame` does for tensors; knows sizes only. The weights of each axis are a matrix, so two resizing
steps become one, and only the part of a mask that can be true is computed. Agrees with PyTorch's interpolation to
rounding.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from samhq.shapes import Bool, Float, Float32

_CHUNK_PIXELS = 1 << 24  #: Number of floats of full-size logits in memory at once in `masks_to_picture`: 64 MiB.


def enlarged(rows: Float[np.ndarray, "G C"], size: int) -> Float[np.ndarray, "H C"]:
    """`size` rows, each interpolated between the two nearest of `rows` (not antialiased).

    >>> enlarged(np.array([[0.0], [1.0]]), 4).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    last = len(rows) - 1
    place = np.maximum((np.arange(size) + 0.5) * (len(rows) / size) - 0.5, 0)
    low = np.minimum(place.astype(np.int64), last)
    part = (place - low)[:, None]
    return rows[low] * (1 - part) + rows[np.minimum(low + 1, last)] * part


def axis_weights(grid: int, side: int, resized: int, original: int) -> Float32[np.ndarray, "H G"]:
    """The weight of each low-resolution pixel in each of the picture's pixels, along one axis.

    From `grid` pixels to `side`, of which the first `resized` are kept, and from those to `original`.
    """
    square = enlarged(np.eye(grid), side)[:resized]
    return (square if resized == original else enlarged(square, original)).astype(np.float32)


def logits_to_picture(
    logits: Float[np.ndarray, "P K g G"], down: Float32[np.ndarray, "H g"], across: Float32[np.ndarray, "W G"]
) -> Float32[np.ndarray, "P K H W"]:
    """Logits at the picture's size, by the weights of its rows and of its columns."""
    return down @ logits.astype(np.float32) @ across.T


def masks_to_picture(
    logits: Float[np.ndarray, "P K g G"],
    down: Float32[np.ndarray, "H g"],
    across: Float32[np.ndarray, "W G"],
    threshold: float,
) -> Bool[np.ndarray, "P K H W"]:
    """True if the full-size logit is above `threshold`; computed only near low-resolution pixels above it."""
    masks = np.zeros((*logits.shape[:2], len(down), len(across)), bool)
    for place in np.ndindex(*logits.shape[:2]):
        values = logits[place].astype(np.float32)
        above = values > threshold
        if above.any():
            rows, columns = (
                _reached(weights, np.flatnonzero(above.any(axis))) for weights, axis in ((down, 1), (across, 0))
            )
            _paint(masks[place][rows, columns], values, down[rows], across[columns], threshold)
    return masks


def _reached(weights: np.ndarray, low_res_rows: np.ndarray) -> slice:
    """The picture's rows that depend on some of the low-resolution rows."""
    touched = np.flatnonzero((weights[:, low_res_rows] > 0).any(axis=1))
    return slice(touched[0], touched[-1] + 1) if len(touched) else slice(0, 0)


def _paint(target: np.ndarray, values: np.ndarray, down: np.ndarray, across: np.ndarray, threshold: float) -> None:
    """Writes a mask into `target`, a few rows at a time."""
    wide = values @ across.T
    step = max(1, _CHUNK_PIXELS // max(1, target.shape[1]))
    for start in range(0, len(target), step):
        np.greater(down[start : start + step] @ wide, threshold, out=target[start : start + step])


def shrunk(values: Float[np.ndarray, "H W"], size_hw: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Values at another size, by antialiased bilinear interpolation.

    >>> shrunk(np.array([[0.0], [1.0], [2.0]]), (1, 1)).item()
    1.0
    """
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR))
