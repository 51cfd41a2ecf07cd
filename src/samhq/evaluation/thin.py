"""A score for thin structures: wires, spokes, legs and antennae, which hardly count in the IoU of a whole object.

The thin part of a true mask is the part that an opening by a disc removes, without corners; the disc's size depends on
the object. The score is the IoU on the thin part and around it; the solid rest does not count. Knows single boolean
masks, arrays or tensors; nothing of models, prompts or files.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Bool

from samhq.errors import ImageError
from samhq.image.boxes import boxes_from_masks
from samhq.masks.arrays import one_mask

#: The disc's radius as a share of the diagonal of the object's box: parts narrower than 4 % of it are thin.
RADIUS = 0.02
#: Masks are compared around the thin part up to this distance, in radii of the disc.
AROUND = 2
#: Objects with a smaller share of thin pixels have no score.
LEAST = 0.02


def thin_score(pred: Any, true: Any) -> float:
    """The IoU, 0..1, of a prediction with the true mask's thin part; NaN for an object without one (or without pixels).

    Errors are the missed pixels of the thin part, and false pixels outside the object within two radii of the thin
    part. So a missed wire costs as much as one that disappears in a blob, and the solid rest of the object does not
    count, however large it is.

    >>> wire = np.zeros((40, 40), bool)
    >>> wire[20, 2:38] = True
    >>> half, blob = wire.copy(), wire.copy()
    >>> half[:, 20:], blob[18:23, 2:38] = False, True
    >>> thin_score(half, wire), round(thin_score(blob, wire), 2)
    (0.5, 0.2)

    Raises:
        ImageError: not bool [H,W], or of two shapes.
    """
    pred, true = one_mask(pred), one_mask(true)
    if pred.shape != true.shape:
        raise ImageError(
            f"Expected two masks of one shape, got {list(pred.shape)} and {list(true.shape)}. Resize one of them."
        )
    radius = thin_radius(true)
    thin = thin_part(true, radius)
    if not true.any() or thin.sum() < LEAST * true.sum():
        return math.nan
    window = _around(thin, AROUND * radius)
    part, beside = thin[window], pred[window] & ~true[window]
    added = beside & _within(part, AROUND * radius)
    return float((pred[window] & part).sum() / (part.sum() + added.sum()))


def thin_radius(mask: Any) -> int:
    """The disc's radius for an object, in pixels: a share of its box's diagonal, at least 1.

    >>> thin_radius(np.ones((60, 80), bool))
    2
    """
    x0, y0, x1, y1 = boxes_from_masks(one_mask(mask)).tolist()
    return max(1, round(RADIUS * math.hypot(x1 - x0 + 1, y1 - y0 + 1)))


def thin_part(mask: Any, radius: int) -> Bool[np.ndarray, "H W"]:
    """The parts of a mask that no disc of `radius` inside it covers, if they are longer than the disc is wide.

    Shorter parts are corners, and steps of slanted edges. Objects are assumed to continue beyond the picture's border.

    >>> square = np.zeros((21, 21), bool)
    >>> square[6:15, 6:15] = True
    >>> cross = square.copy()
    >>> cross[10] = cross[:, 10] = True
    >>> int(thin_part(square, 2).sum()), int(thin_part(cross, 2).sum())
    (0, 20)
    """
    mask = one_mask(mask)
    thin = np.zeros_like(mask)
    if not mask.any():
        return thin
    window = _around(mask, 1)
    thin[window] = _long(_removed(mask[window], radius), 2 * radius)
    return thin


def _long(mask: Bool[np.ndarray, "h w"], length: int) -> Bool[np.ndarray, "h w"]:
    """The 8-connected areas whose box is longer than that."""
    from scipy.ndimage import find_objects, label

    areas, _ = label(mask, np.ones((3, 3)))
    sizes = [max(place.stop - place.start for place in box) for box in find_objects(areas)]
    return np.array([False, *(size > length for size in sizes)])[areas]


def _around(mask: Bool[np.ndarray, "H W"], margin: int) -> tuple[slice, slice]:
    """The part of the picture with a mask and a margin of this many pixels."""
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    return slice(max(0, y0 - margin), y1 + margin + 1), slice(max(0, x0 - margin), x1 + margin + 1)


def _within(mask: Bool[np.ndarray, "h w"], reach: float) -> Bool[np.ndarray, "h w"]:
    """The pixels within this distance of a mask that is not empty."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask) <= reach


def _removed(mask: Bool[np.ndarray, "h w"], radius: int) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return np.zeros_like(mask)
    core = distance_transform_edt(mask) > radius
    if not core.any():
        return mask
    return mask & ~_within(core, radius)
