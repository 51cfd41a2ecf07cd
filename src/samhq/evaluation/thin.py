"""How well what is thin is found: wires, spokes, legs, antennae, which hardly count in the IoU of a whole object.

The thin part of a mask is what an opening by a disc removes, the disc in proportion to the object. Knows single
boolean masks; nothing of models, prompts or files.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool

from samhq.image.boxes import boxes_from_masks

#: The disc's radius as a share of the diagonal of the object's box: what is narrower than 4 % of it is thin.
RADIUS = 0.02
#: Objects of whose pixels a smaller share is thin have no score: corners alone are no thin structure.
LEAST = 0.05


def thin_score(pred: Bool[np.ndarray, "H W"], true: Bool[np.ndarray, "H W"]) -> float:
    """The F-measure, 0..1, of a prediction on thin structures; NaN for an object that has none (or is empty).

    Recall is the share of the true mask's thin part that the prediction covers, precision the share of the
    prediction's thin part that lies on the true mask, both parts by the true object's disc; F is their harmonic mean.
    A prediction without thin part has precision 1 if it is not empty.

    >>> wire, bar = np.zeros((2, 40, 40), bool)
    >>> wire[20, 2:38], bar[20, 2:20] = True, True
    >>> round(thin_score(bar, wire), 3)
    0.667
    """
    radius = thin_radius(true)
    thin = thin_part(true, radius)
    if not true.any() or thin.sum() < LEAST * true.sum():
        return math.nan
    found = thin_part(pred, radius)
    recall = float((thin & pred).sum() / thin.sum())
    precision = float((found & true).sum() / found.sum()) if found.any() else float(pred.any())
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def thin_radius(mask: Bool[np.ndarray, "H W"]) -> int:
    """The disc's radius for an object, in pixels: a share of its box's diagonal, at least 1.

    >>> thin_radius(np.ones((60, 80), bool))
    2
    """
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    return max(1, round(RADIUS * math.hypot(x1 - x0 + 1, y1 - y0 + 1)))


def thin_part(mask: Bool[np.ndarray, "H W"], radius: int) -> Bool[np.ndarray, "H W"]:
    """The pixels that no disc of `radius` inside the mask covers; beyond the picture's border an object goes on.

    >>> cross = np.zeros((15, 15), bool)
    >>> cross[3:12, 3:12] = cross[7] = True
    >>> int(thin_part(cross, 2)[7].sum())
    4
    """
    thin = np.zeros_like(mask)
    if not mask.any():
        return thin
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    window = slice(max(0, y0 - 1), y1 + 2), slice(max(0, x0 - 1), x1 + 2)
    thin[window] = _removed(mask[window], radius)
    return thin


def _removed(mask: Bool[np.ndarray, "h w"], radius: int) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return np.zeros_like(mask)
    core = distance_transform_edt(mask) > radius
    if not core.any():
        return mask
    return mask & (distance_transform_edt(~core) > radius)
