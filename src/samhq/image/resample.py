"""Resizes arrays: low-resolution logits to a picture's pixels, and a picture's mask to low resolution.

Knows sizes only. The weights of each axis say how two resizing steps are done as one, and of a mask only the blocks at
its outline are computed. Agrees with PyTorch's interpolation to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from samhq.shapes import Bool, Float, Float32, Int64

#: A picture is painted in about 16 blocks along each axis, of 64 to 128 pixels: fewer than that waste calls, and NumPy
#: would split products of more among threads, which takes longer.
_BLOCKS, _SMALLEST, _LARGEST = 16, 64, 128
_MARGIN = 1e-5  #: Rounding can move a logit out of the range of those it is made of by this share of the largest.


@dataclass(frozen=True, eq=False)
class _Block:
    """Some pixels along one axis, the low-resolution ones that they depend on, and the weight of each in each."""

    pixels: slice
    taps: slice
    weights: Float32[np.ndarray, "b t"]


@dataclass(frozen=True, eq=False)
class PictureAxis:
    """How low-resolution pixels become a picture's along one axis: bilinear, in one or two steps.

    Pixel `i` depends on the low-resolution pixels that start at `first[i]`, with `weights[i]`.
    """

    grid: int
    first: Int64[np.ndarray, " n"]
    weights: Float32[np.ndarray, "n t"]

    @classmethod
    def of(cls, grid: int, side: int, resized: int, original: int) -> PictureAxis:
        """From `grid` pixels to `side`, of which the first `resized` are kept, and from those to `original`.

        >>> PictureAxis.of(2, 4, 4, 4).weights.tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
        """
        low, high, part = (values[:resized] for values in _nearest(grid, side))
        if resized == original:
            steps = [(low, 1 - part), (high, part)]
        else:
            near, far, share = _nearest(resized, original)
            steps = [(low[near], (1 - share) * (1 - part[near])), (high[near], (1 - share) * part[near])]
            steps += [(low[far], share * (1 - part[far])), (high[far], share * part[far])]
        width = min(grid, int(max((tap - steps[0][0]).max() for tap, _ in steps)) + 1)
        first = np.minimum(steps[0][0], grid - width)
        weights = np.zeros((original, width))
        for tap, weight in steps:
            weights[np.arange(original), tap - first] += weight
        return cls(grid, first, weights.astype(np.float32))

    def dense(self, pixels: slice, taps: slice) -> Float32[np.ndarray, "b t"]:
        """The weights of some low-resolution pixels in some of the picture's; these must depend on no others."""
        first, weights = self.first[pixels] - taps.start, self.weights[pixels]
        matrix = np.zeros((len(first), taps.stop - taps.start), np.float32)
        np.put_along_axis(matrix, first[:, None] + np.arange(weights.shape[1]), weights, axis=1)
        return matrix

    @property
    def whole(self) -> Float32[np.ndarray, "n g"]:
        """The weights of all low-resolution pixels in all of the picture's."""
        return self.dense(slice(None), slice(0, self.grid))

    def blocks(self) -> list[_Block]:
        """The picture's pixels in blocks."""
        length, blocks = len(self.first), []
        step = min(max(-(-length // _BLOCKS), _SMALLEST), _LARGEST)
        for start in range(0, length, step):
            pixels = slice(start, min(start + step, length))
            taps = slice(int(self.first[start]), int(self.first[pixels.stop - 1]) + self.weights.shape[1])
            blocks.append(_Block(pixels, taps, self.dense(pixels, taps)))
        return blocks


def _nearest(count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `size` pixels the two of `count` between which it lies, and its distance from the first of them."""
    last = count - 1
    place = np.maximum((np.arange(size) + 0.5) * (count / size) - 0.5, 0)
    low = np.minimum(place.astype(np.int64), last)
    return low, np.minimum(low + 1, last), place - low


def logits_to_picture(
    logits: Float[np.ndarray, "P K g G"], down: PictureAxis, across: PictureAxis
) -> Float32[np.ndarray, "P K H W"]:
    """Logits at the picture's size, along its rows and its columns."""
    return down.whole @ logits.astype(np.float32) @ across.whole.T


def masks_to_picture(
    logits: Float[np.ndarray, "P K g G"], down: PictureAxis, across: PictureAxis, threshold: float
) -> Bool[np.ndarray, "P K H W"]:
    """True if the full-size logit is above `threshold`.

    Interpolation only averages, so a block of pixels whose logits are all far above the threshold, or all far below,
    is filled at once. Only the other blocks are interpolated.
    """
    masks = np.zeros((*logits.shape[:2], len(down.first), len(across.first)), bool)
    if not masks.size:
        return masks
    rows, columns = down.blocks(), across.blocks()
    for place in np.ndindex(*logits.shape[:2]):
        _paint(masks[place], logits[place].astype(np.float32, copy=False), rows, columns, threshold)
    return masks


def _paint(
    mask: Bool[np.ndarray, "H W"],
    logits: Float32[np.ndarray, "g G"],
    rows: list[_Block],
    columns: list[_Block],
    threshold: float,
) -> None:
    """Writes the pixels that are on into an empty mask."""
    lowest, highest = _extreme(np.min, logits, rows, columns), _extreme(np.max, logits, rows, columns)
    slack = _MARGIN * np.maximum(np.abs(lowest), np.abs(highest))
    full, empty = lowest - slack > threshold, highest + slack <= threshold
    for i, j in np.argwhere(full):
        mask[rows[i].pixels, columns[j].pixels] = True
    for i, j in np.argwhere(~(full | empty)):
        row, column = rows[i], columns[j]
        values = row.weights @ logits[row.taps, column.taps] @ column.weights.T
        np.greater(values, threshold, out=mask[row.pixels, column.pixels])


def _extreme(
    of: Callable[..., Any], logits: Float32[np.ndarray, "g G"], rows: list[_Block], columns: list[_Block]
) -> Float32[np.ndarray, "y x"]:
    """The smallest, or the largest, of the logits that each block of pixels depends on."""
    by_row = np.stack([of(logits[row.taps], axis=0) for row in rows])
    return np.stack([of(by_row[:, column.taps], axis=1) for column in columns], axis=1)


def shrunk(values: Float[np.ndarray, "H W"], size_hw: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Values at another size, by antialiased bilinear interpolation.

    >>> shrunk(np.array([[0.0], [1.0], [2.0]]), (1, 1)).item()
    1.0
    """
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR))
