"""Functions that clean a mask: fill holes, drop specks, smooth the outline, make a soft edge that follows the picture.

They work in the mask's own box, so a small object in a large picture costs little. Masks are bool arrays [H,W], or
tensors; results are arrays. Knows arrays of pixels only.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.boxes import boxes_from_masks
from samhq.masks.arrays import one_mask
from samhq.shapes import Bool, Float32, UInt8

#: Regularisation of He's filter, for colours in 0..1: differences of about 1 % of the range are noise, not an edge.
_FLATNESS = 1e-4
_TILE = 256  #: Least side of the area that is filtered at a time; limits the memory for soft edges.


def fill_holes(mask: Any, max_area: int) -> Bool[np.ndarray, "H W"]:
    """A copy of the mask with every hole of up to `max_area` pixels filled.

    A hole is a part of the background, 4-connected, that does not reach the picture's border.

    >>> fill_holes(np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool), 1).sum()
    np.int64(10)

    Raises:
        ImageError: not bool [H,W].
    """
    from scipy import ndimage

    result, window = _copy_and_window(mask)
    padded = np.pad(result[window], 1)  # The margin joins gaps that are open to the border with the outside.
    parts, _ = ndimage.label(~padded)
    fill = np.bincount(parts.ravel()) <= max_area
    fill[[0, parts[0, 0]]] = False
    result[window] |= fill[parts[1:-1, 1:-1]]
    return result


def drop_specks(mask: Any, min_area: int) -> Bool[np.ndarray, "H W"]:
    """A copy of the mask without its parts of fewer than `min_area` pixels; the largest part always stays.

    Parts are 8-connected, so a thin diagonal line is one part.

    >>> drop_specks(np.array([[1, 1, 0, 1]], bool), 2).tolist()
    [[True, True, False, False]]

    Raises:
        ImageError: not bool [H,W].
    """
    from scipy import ndimage

    result, window = _copy_and_window(mask)
    parts, count = ndimage.label(result[window], np.ones((3, 3)))
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        keep = sizes >= min_area
        keep[0], keep[sizes.argmax()] = False, True
        result[window] = keep[parts]
    return result


def smooth(mask: Any, radius: float) -> Bool[np.ndarray, "H W"]:
    """The mask with its outline rounded: true if more than half of a pixel's round neighbourhood is on the object.

    Corners sharper than about `radius` pixels become round, and parts thinner than that disappear. Straight edges and
    edges along the picture's border do not move.

    >>> smooth(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], bool), 2).any()
    np.False_

    Raises:
        ImageError: not bool [H,W].
    """
    from scipy import ndimage

    result, window = _copy_and_window(mask)
    blurred = ndimage.gaussian_filter(result[window].astype(np.float32), radius / 2, mode="nearest")
    result[window] = blurred > 0.5
    return result


def soft_edge(image: UInt8[np.ndarray, "H W 3"], mask: Any, radius: int) -> Float32[np.ndarray, "H W"]:
    """An opacity in 0..1 that follows the picture's edges (hair, blur) in a band around the mask's outline.

    More than twice `radius` pixels from the outline it equals the mask.

    Raises:
        ImageError: the mask is not bool [H,W], or not of the picture's size.

    Source: K. He, J. Sun, X. Tang, "Guided Image Filtering", ECCV 2010; their filter with a colour guide.
    """
    mask = one_mask(mask)
    alpha = mask.astype(np.float32)
    if image.shape[:2] != mask.shape:
        raise ImageError(
            f"Expected a mask of the picture's size {list(image.shape[:2])}, got {list(mask.shape)}. "
            "Pass the mask of this picture."
        )
    reach, step = 2 * radius, max(_TILE, 4 * radius)
    rows, columns = _window(mask, reach)
    for top, left in itertools.product(range(rows.start, rows.stop, step), range(columns.start, columns.stop, step)):
        y, x = slice(max(0, top - reach), top + step + reach), slice(max(0, left - reach), left + step + reach)
        part = mask[y, x]
        if part.any() and not part.all():  # Otherwise no outline is near.
            soft = _guided(image[y, x].astype(np.float32) / 255, part.astype(np.float32), radius)
            tile = alpha[top : top + step, left : left + step]
            tile[:] = soft[top - y.start :, left - x.start :][: tile.shape[0], : tile.shape[1]]
    return alpha


def _guided(guide: Float32[np.ndarray, "h w 3"], values: Float32[np.ndarray, "h w"], radius: int) -> np.ndarray:
    """`values` as locally linear functions of the guide's colours, averaged over all windows; within 0..1."""
    mean_guide, mean = _box(guide, radius), _box(values, radius)
    together = _box(guide * values[..., None], radius) - mean_guide * mean[..., None]
    slope = _solved(guide, mean_guide, together, radius)
    offset = mean - (slope * mean_guide).sum(axis=-1)
    return np.clip((_box(slope, radius) * guide).sum(axis=-1) + _box(offset, radius), 0, 1)


def _solved(guide: np.ndarray, mean: np.ndarray, right: np.ndarray, radius: int) -> np.ndarray:
    """Each window's slopes [h,w,3]: the inverse of its colours' regularised covariance, by cofactors, times `right`."""
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rr, rg, rb, gg, gb, bb = (
        _box(guide[..., i] * guide[..., j], radius) - mean[..., i] * mean[..., j] + _FLATNESS * (i == j)
        for i, j in pairs
    )
    cofactors = (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb)
    determinant = rr * cofactors[0] + rg * cofactors[1] + rb * cofactors[2]
    rows = (
        cofactors,
        (cofactors[1], rr * bb - rb * rb, rg * rb - rr * gb),
        (cofactors[2], rg * rb - rr * gb, rr * gg - rg * rg),
    )
    solved = (sum(entry * right[..., k] for k, entry in enumerate(row)) / determinant for row in rows)
    return np.stack(list(solved), axis=-1)


def _box(values: np.ndarray, radius: int) -> np.ndarray:
    """Means over squares of 2 * radius + 1 pixels a side; the picture is mirrored at its border."""
    from scipy import ndimage

    side = 2 * radius + 1
    return np.asarray(ndimage.uniform_filter(values, (side, side, 1)[: values.ndim]))


def _copy_and_window(mask: Any) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A copy to change, and the mask's box with a pixel around it."""
    mask = one_mask(mask)
    return mask.copy(), _window(mask, 1)


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the mask's box, extended by `margin` within the picture; empty for an empty mask."""
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    height, width = mask.shape
    if not mask.any():
        return slice(0, 0), slice(0, 0)
    return slice(max(0, y0 - margin), min(height, y1 + 1 + margin)), slice(
        max(0, x0 - margin), min(width, x1 + 1 + margin)
    )
