"""A mask as the pixel numbers where it changes; COCO's run-length codes are written from them.

Pixels are numbered column by column. `changes` are the numbers at which runs begin and end: on, off, on, off ...,
ending with the number of pixels if the last run is on. So memory grows with a mask's outline, not its area, and boxes,
areas, holes and islands are found without unpacking. Knows nothing of files or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from samhq.masks import rle
from samhq.masks.rle import RLE
from samhq.shapes import Bool, Int64, Integer


def changes_of_columns(columns: Bool[np.ndarray, "w H"], first: int = 0) -> Int64[np.ndarray, " R"]:
    """The changes of a mask that is off outside some whole columns, `first` and the following ones.

    >>> changes_of_columns(np.array([[False, True], [True, False]]), 1).tolist()
    [3, 5]
    """
    pixels = columns.ravel()
    if not pixels.size:
        return np.zeros(0, np.int64)
    inner = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    ends = [np.zeros(int(pixels[0]), np.int64), inner, np.full(int(pixels[-1]), pixels.size)]
    return np.concatenate(ends) + first * columns.shape[1]


def mask_of(changes: Integer[np.ndarray, " R"], size_hw: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The mask, unpacked.

    >>> mask_of(np.array([3, 5]), (2, 3)).tolist()
    [[False, False, True], [False, True, False]]
    """
    lengths = _lengths(changes, size_hw)
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(pixels.reshape(size_hw[1], size_hw[0]).T)


def pixels_on(changes: Integer[np.ndarray, " R"]) -> int:
    """The number of pixels on.

    >>> pixels_on(np.array([3, 5, 7, 10]))
    5
    """
    runs = changes.astype(np.int64).reshape(-1, 2)
    return int((runs[:, 1] - runs[:, 0]).sum())


def area_of_all(masks: Sequence[Integer[np.ndarray, " R"]]) -> int:
    """The number of pixels that are on in at least one of several masks.

    >>> area_of_all([np.array([3, 5, 7, 10]), np.array([4, 6])])
    6
    """
    if not masks:
        return 0
    runs = np.concatenate(masks).astype(np.int64).reshape(-1, 2)
    runs = runs[np.argsort(runs[:, 0])]
    reached = np.maximum.accumulate(runs[:, 1])
    fresh = np.maximum(runs[1:, 0], reached[:-1])
    return int(runs[0, 1] - runs[0, 0] + np.maximum(runs[1:, 1] - fresh, 0).sum()) if len(runs) else 0


def combined(
    first: Integer[np.ndarray, " R"],
    second: Integer[np.ndarray, " S"],
    keep: Callable[[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]], Bool[np.ndarray, " n"]],
) -> Int64[np.ndarray, " T"]:
    """The changes of the pixels that `keep` keeps of two masks, such as those in at least one of them.

    `keep` is called once, with whether runs of pixels are on in the first and in the second mask; off in both is off.

    >>> combined(np.array([3, 5]), np.array([4, 9]), lambda a, b: a | b).tolist()
    [3, 9]
    >>> combined(np.array([3, 5]), np.array([4, 9]), lambda a, b: a & ~b).tolist()
    [3, 4]
    """
    places = np.union1d(first, second).astype(np.int64)
    states = [np.searchsorted(changes, places, side="right") % 2 == 1 for changes in (first, second)]
    kept = np.concatenate([[False], keep(*states)])
    return places[kept[1:] != kept[:-1]]


def box(changes: Integer[np.ndarray, " R"], height: int) -> tuple[int, int, int, int]:
    """The tight box (x0, y0, x1, y1), last pixel included; zeros for an empty mask.

    >>> box(np.array([3, 5]), 2)
    (1, 0, 2, 1)
    """
    if not len(changes):
        return 0, 0, 0, 0
    runs = changes.astype(np.int64).reshape(-1, 2)
    first, last = runs[:, 0], runs[:, 1] - 1
    columns = first // height, last // height
    if (columns[0] != columns[1]).any():  # A run that continues at the top of the next column.
        top, bottom = 0, height - 1
    else:
        top, bottom = int((first % height).min()), int((last % height).max())
    return int(columns[0][0]), top, int(columns[1][-1]), bottom


def cropped(changes: Integer[np.ndarray, " R"], height: int) -> tuple[Bool[np.ndarray, "h w"], tuple[int, int]]:
    """The mask cut to its box, and the box's top-left pixel (x, y); one pixel that is off for an empty mask.

    Only the columns of the box are unpacked.

    >>> mask, corner_xy = cropped(np.array([3, 5]), 2)
    >>> mask.tolist(), corner_xy
    ([[False, True], [True, False]], (1, 0))
    """
    x0, y0, x1, y1 = box(changes, height)
    columns = mask_of(changes.astype(np.int64) - x0 * height, (height, x1 + 1 - x0))
    return columns[y0 : y1 + 1], (x0, y0)


def as_counts(changes: Integer[np.ndarray, " R"], size_hw: tuple[int, int]) -> RLE:
    """COCO's uncompressed RLE: `counts` is a list of ints; the first counts pixels that are off and may be 0.

    >>> as_counts(np.array([0, 1, 3, 4]), (2, 2))
    {'size': [2, 2], 'counts': [0, 1, 2, 1]}
    """
    counts = _lengths(changes, size_hw).tolist()
    return {"size": [int(n) for n in size_hw], "counts": counts[:-1] if len(counts) > 1 and not counts[-1] else counts}


def _lengths(changes: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The lengths of the runs, off, on, off ...; the first and the last may be 0."""
    borders = np.concatenate([[0], changes, [size_hw[0] * size_hw[1]]]).astype(np.int64)
    return np.asarray(borders[1:] - borders[:-1])


def changes_of_lengths(lengths: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " R"]:
    """The changes from the lengths of runs, off, on, off ...; a length may be 0.

    >>> changes_of_lengths(np.array([2, 1, 0, 3, 1])).tolist()
    [2, 6]
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    pieces = ends[: len(ends) // 2 * 2].reshape(-1, 2)
    return _merged(pieces[pieces[:, 0] < pieces[:, 1]])


def as_text(changes: Integer[np.ndarray, " R"], size_hw: tuple[int, int]) -> RLE:
    """COCO's compressed RLE, with `counts` as str.

    >>> as_text(np.array([2, 4]), (2, 2))
    {'size': [2, 2], 'counts': '22'}
    """
    from pycocotools import mask as coco

    code: Any = coco.frPyObjects(as_counts(changes, size_hw), *size_hw)
    return {"size": [int(n) for n in size_hw], "counts": code["counts"].decode("ascii")}


def compressed_code(code: Mapping[str, Any]) -> RLE:
    """The compressed RLE, with `counts` as str, of any RLE. The mask is not unpacked.

    >>> compressed_code({"size": [2, 2], "counts": [1, 1, 0, 1, 1]})
    {'size': [2, 2], 'counts': '121'}

    Raises:
        ImageError: as `samhq.masks.rle.decode`.
    """
    lengths = rle.run_lengths(code)
    height, width = (int(n) for n in code["size"])
    return as_text(changes_of_lengths(lengths), (height, width))


def without_small_regions(
    changes: Integer[np.ndarray, " R"], size_hw: tuple[int, int], min_area: int
) -> tuple[Int64[np.ndarray, " r"], bool]:
    """The mask without small holes and islands, and whether anything changed.

    First regions that are off and smaller than `min_area` pixels are filled, then islands that small are removed; the
    largest island stays if all are small. Regions are 8-connected.

    >>> without_small_regions(np.array([0, 1, 2, 9]), (3, 3), 2)[0].tolist()
    [0, 9]

    Source: segment-anything, utils/amg.py, `remove_small_regions`.
    """
    total = size_hw[0] * size_hw[1]
    on = changes.astype(np.int64)
    # Regions that are off are on in the complement, whose changes differ only at the two ends.
    off, filled = _without_islands(_complement(on, total), size_hw[0], min_area, keep_largest=False)
    on, dropped = _without_islands(_complement(off, total), size_hw[0], min_area, keep_largest=True)
    return on, filled or dropped


def _complement(changes: np.ndarray, total: int) -> np.ndarray:
    starts = changes[1:] if len(changes) and changes[0] == 0 else np.concatenate([[0], changes])
    ends = starts[:-1] if len(starts) and starts[-1] == total else np.concatenate([starts, [total]])
    return np.asarray(ends, np.int64)


def _without_islands(changes: np.ndarray, height: int, min_area: int, *, keep_largest: bool) -> tuple[np.ndarray, bool]:
    if not len(changes):
        return changes, False
    pieces = _in_columns(changes.reshape(-1, 2), height)
    labels, count = _joined(pieces, height)
    sizes = np.bincount(labels, pieces[:, 1] - pieces[:, 0], minlength=count)
    keep = sizes >= min_area
    if keep.all():
        return changes, False
    if keep_largest and not keep.any():
        keep[_first_of_largest(pieces, labels, sizes, height)] = True
    return _merged(pieces[keep[labels]]), True


def _first_of_largest(pieces: np.ndarray, labels: np.ndarray, sizes: np.ndarray, height: int) -> int:
    """The largest region; of equal ones the first in OpenCV's order, which goes through rows of 2 x 2 squares."""
    column, row = pieces[:, 0] // height, pieces[:, 0] % height
    largest = sizes[labels] == sizes.max()
    return int(min(zip(row[largest] // 2, column[largest] // 2, labels[largest], strict=True))[2])


def _in_columns(runs: np.ndarray, height: int) -> np.ndarray:
    """Runs [R,2], cut at the ends of columns so that each lies in one column."""
    first, last = runs[:, 0] // height, (runs[:, 1] - 1) // height
    parts = last - first + 1
    column = np.repeat(first, parts) + np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = np.maximum(np.repeat(runs[:, 0], parts), column * height)
    return np.stack([starts, np.minimum(np.repeat(runs[:, 1], parts), (column + 1) * height)], axis=1)


def _joined(pieces: np.ndarray, height: int) -> tuple[np.ndarray, int]:
    """The region number of each piece, and the number of regions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    column = pieces[:, 0] // height
    # With two spare rows between columns, the pieces in the next column that touch a piece are one interval of numbers.
    starts, stops = pieces[:, 0] + 2 * column, pieces[:, 1] + 2 * column
    low = np.searchsorted(stops, starts + height + 2, side="left")
    high = np.searchsorted(starts, stops + height + 2, side="right")
    neighbours = np.maximum(high - low, 0)
    left = np.repeat(np.arange(len(pieces)), neighbours)
    right = np.arange(len(left)) + np.repeat(low - np.cumsum(neighbours) + neighbours, neighbours)
    links = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(len(pieces), len(pieces)))
    count, labels = connected_components(links, directed=False)
    return labels, int(count)


def _merged(pieces: np.ndarray) -> np.ndarray:
    """Changes of pieces; pieces without a gap between them become one run."""
    flat = pieces.ravel()
    meets = np.flatnonzero(flat[1:-1:2] == flat[2::2]) * 2 + 1
    return np.delete(flat, np.concatenate([meets, meets + 1]))
