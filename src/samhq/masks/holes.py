"""Removes small holes and specks from low-resolution logits before masks are enlarged, as SAM 2 does.

Components are 8-connected, and a component that touches the border counts like any other. Knows nothing about networks.

Source: sam2/utils/transforms.py and sam2/utils/misc.py of facebookresearch/sam2.
"""

from __future__ import annotations

import numpy as np

from samhq.shapes import Bool, Float

_SURE = 10.0  #: Distance of a changed pixel's logit from the threshold.


def small_components(on: Bool[np.ndarray, "H W"], max_area: float) -> Bool[np.ndarray, "H W"]:
    """The pixels of all 8-connected components of at most `max_area` pixels.

    >>> small_components(np.array([[1, 0, 1], [0, 0, 1]], bool), 1).astype(int).tolist()
    [[1, 0, 0], [0, 0, 0]]
    """
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(on, np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] <= max_area
    small[0] = False  # Pixels that are off.
    chosen: np.ndarray = small[labels]
    return chosen


def filled(logits: Float[np.ndarray, "G F"], hole: float, threshold: float = 0.0) -> Float[np.ndarray, "G F"]:
    """Logits in which holes of at most `hole` pixels are set to `threshold` + 10.

    >>> filled(np.array([[1.0, -1.0], [1.0, 1.0]]), 1).tolist()
    [[1.0, 10.0], [1.0, 1.0]]
    """
    if hole <= 0:
        return logits
    return np.where(small_components(logits <= threshold, hole), logits.dtype.type(threshold + _SURE), logits)


def cleaned(
    logits: Float[np.ndarray, "G F"], hole: float, speck: float, threshold: float = 0.0
) -> Float[np.ndarray, "G F"]:
    """Logits without holes of at most `hole` pixels and without specks of at most `speck` pixels.

    Both are found in the input, so filling a hole does not save a speck beside it.
    """
    filled_logits = filled(logits, hole, threshold)
    if speck <= 0:
        return filled_logits
    return np.where(small_components(logits > threshold, speck), logits.dtype.type(threshold - _SURE), filled_logits)
