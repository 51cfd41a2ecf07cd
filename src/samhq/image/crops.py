"""The overlapping crops and the grids of points of whole-image segmentation.

Pure geometry of sizes; knows nothing of pixels, files or networks.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from samhq.shapes import Float64

#: (x0, y0, x1, y1) in image pixels, x1 and y1 exclusive.
Crop = tuple[int, int, int, int]


def crop_boxes(size_hw: tuple[int, int], layers: int, overlap_ratio: float) -> list[tuple[Crop, int]]:
    """The whole picture and its crops, each with its layer; layer i has 2^i crops a side, the picture is layer 0.

    Neighbours in layer 1 share `overlap_ratio` of the shorter side, half of that in layer 2, and so on. Within a layer
    the crops are ordered column by column. A crop that would lie wholly outside a tiny picture is left out.

    >>> crop_boxes((300, 450), 1, 512 / 1500)[1:3]
    [((0, 0, 276, 201), 1), ((0, 99, 276, 300), 1)]

    Source: segment-anything, utils/amg.py, `generate_crop_boxes`.
    """
    height, width = size_hw
    boxes: list[tuple[Crop, int]] = [((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        overlap = int(overlap_ratio * min(size_hw) * (2 / 2**layer))
        columns, rows = _spans(width, 2**layer, overlap), _spans(height, 2**layer, overlap)
        boxes += [((x0, y0, x1, y1), layer) for (x0, x1), (y0, y1) in itertools.product(columns, rows)]
    return boxes


def _spans(length: int, count: int, overlap: int) -> list[tuple[int, int]]:
    """`count` overlapping spans that cover 0..length; the last one is cut at its end."""
    size = math.ceil((overlap * (count - 1) + length) / count)
    starts = [(size - overlap) * k for k in range(count)]
    return [(start, min(start + size, length)) for start in starts if start < length]


def point_grid(per_side: int) -> Float64[np.ndarray, "N 2"]:
    """The centres of `per_side` x `per_side` equal cells of the unit square, as (x, y); x varies fastest.

    >>> point_grid(2).tolist()
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    """
    offset = 1 / (2 * per_side)
    centres = np.linspace(offset, 1 - offset, per_side)
    x, y = np.meshgrid(centres, centres)
    return np.stack([x.ravel(), y.ravel()], axis=1)
