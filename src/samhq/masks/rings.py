"""Fills rings of points to masks, exactly as pycocotools fills a COCO polygon, for any coordinates.

pycocotools lists every fifth of a pixel along every edge, also outside the picture, so one coordinate of 1e8 takes
gigabytes and crashes the process. This code computes only where each edge crosses a column of the picture. Knows
nothing of files or annotations.

Source: pycocotools, common/maskApi.c, `rleFrPoly`, whose rounding this reproduces.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samhq.shapes import Float64, Int64

_SCALE = 5  #: Steps per pixel to which pycocotools rounds points.
_CROSSINGS = 1 << 20  #: Crossings in memory at a time: about 100 MB.


def filled_ring(ring: Float64[np.ndarray, "N 2"], size_hw: tuple[int, int]) -> Int64[np.ndarray, " R"]:
    """The mask inside one ring of points (x, y), as its changes (see `samhq.masks.runs`), cut to the picture.

    A ring that meets itself is filled by the even-odd rule. Coordinates may be anything below 1e12.

    >>> filled_ring(np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]]), (4, 4)).tolist()
    [5, 7, 9, 11]
    """
    places = np.trunc(_SCALE * ring + 0.5)
    edges = np.concatenate([places, np.roll(places, -1, axis=0)], axis=1)
    changes = np.zeros(0, np.int64)
    for part in _parts(edges, size_hw[1]):
        changes = _odd(np.concatenate([changes, _crossings(part, size_hw)]))
    # Rounding at a corner can make a column's number of crossings odd. Then the run lasts to the end, as in
    # pycocotools.
    return changes if len(changes) % 2 == 0 else _odd(np.append(changes, size_hw[0] * size_hw[1]))


def _parts(edges: Float64[np.ndarray, "E 4"], width: int) -> Iterator[Float64[np.ndarray, "e 4"]]:
    step = max(1, _CROSSINGS // max(width, 1))
    for start in range(0, len(edges), step):
        yield edges[start : start + step]


def _odd(places: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """The sorted numbers that occur an odd number of times: two changes at the same place cancel."""
    numbers, counts = np.unique(places, return_counts=True)
    return np.asarray(numbers[counts % 2 == 1])


def _crossings(edges: Float64[np.ndarray, "E 4"], size_hw: tuple[int, int]) -> Int64[np.ndarray, " n"]:
    """The pixel number, column by column, at which each edge crosses the middle of each column."""
    height, width = size_hw
    low, high = np.minimum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 0], edges[:, 2])
    # An edge crosses column x on its way from step 5x + 2 to the next.
    first = np.clip(np.ceil((low - 2) / _SCALE), 0, width).astype(np.int64)
    end = np.clip(np.ceil((high - 2) / _SCALE), 0, width).astype(np.int64)
    counts = np.maximum(end - first, 0)
    column = np.repeat(first, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    xs, ys, xe, ye = np.repeat(edges, counts, axis=0).T
    row = _height_at(_SCALE * column.astype(np.float64) + 2, xs, ys, xe, ye)
    down = np.ceil(np.clip((row + 0.5) / _SCALE - 0.5, 0, height)).astype(np.int64)
    return np.asarray(column * height + down)


def _height_at(step: np.ndarray, xs: np.ndarray, ys: np.ndarray, xe: np.ndarray, ye: np.ndarray) -> np.ndarray:
    """The upper of an edge's two rows before and after a step to the right, rounded as in pycocotools."""
    flat = np.abs(xe - xs) >= np.abs(ye - ys)
    turned = np.where(flat, xs > xe, ys > ye)
    xs, ys, xe, ye = (np.where(turned, b, a) for a, b in ((xs, xe), (ys, ye), (xe, xs), (ye, ys)))
    slope = (ye - ys) / (xe - xs)
    left, right = (np.trunc(ys + slope * (step + offset - xs) + 0.5) for offset in (0, 1))
    return np.where(flat, np.minimum(left, right), _steep(step, xs, ys, xe, ye))


def _steep(step: np.ndarray, xs: np.ndarray, ys: np.ndarray, xe: np.ndarray, ye: np.ndarray) -> np.ndarray:
    """For edges that are followed row by row: the last row before the step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (xe - xs) / (ye - ys)
        target = (step + 0.5 - xs) / slope
    guess = np.nan_to_num(np.ceil(target))

    def passed(rows: np.ndarray) -> np.ndarray:
        across = np.trunc(xs + slope * rows + 0.5)
        return np.asarray(np.where(slope > 0, across > step, across <= step))

    with np.errstate(invalid="ignore"):
        first = np.where(passed(guess - 1), guess - 1, np.where(passed(guess), guess, guess + 1))
    return np.asarray(ys + first - 1)
