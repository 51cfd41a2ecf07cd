"""Distinct regions of a photograph, as substitutes for parts of objects: an eye, a button, a window, a letter.

Nearly all data sets outline whole objects, so a model trained only on them segments the whole object for a box around a
part. Regions whose outline is stable over many thresholds are clearly visible parts. Knows nothing about annotations.

Source: Matas et al., maximally stable extremal regions (2004).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samhq.extras import from_extra
from samhq.shapes import Bool, UInt8

with from_extra("train", "Composing training pictures"):
    import cv2

#: Delta, fewest pixels, largest variation and least diversity for OpenCV's detector.
_DELTA, _FEWEST, _VARIATION, _DIVERSITY = 7, 60, 1.0, 0.5
_MOST_OF_PICTURE = 0.2
#: A region fills at least this share of its box.
_FULL = 0.25
#: Channels with a smaller range of levels are ignored.
_CONTRAST = 30
_SMALLEST_SIDE = 5


def distinct_regions(image: UInt8[np.ndarray, "H W 3"], limit: int = 40) -> list[Bool[np.ndarray, "H W"]]:
    """Up to `limit` regions that differ from their surroundings, the largest first; none in a plain picture.

    >>> distinct_regions(np.full((64, 64, 3), 40, np.uint8))
    []
    """
    height, width = image.shape[:2]
    candidates: list[tuple[np.ndarray, np.ndarray]] = []
    for channel in _channels(image):
        detector = cv2.MSER.create(_DELTA, _FEWEST, int(height * width * _MOST_OF_PICTURE), _VARIATION, _DIVERSITY)
        for points in map(np.asarray, detector.detectRegions(channel)[0]):
            box = np.concatenate([points.min(0), points.max(0) + 1]).astype(float)
            if _is_part(points, box, (height, width)) and not any(_alike(box, other) for other, _ in candidates):
                candidates.append((box, points))
    masks = [_closed(points, (height, width)) for _, points in candidates]
    return sorted(masks, key=lambda mask: -int(mask.sum()))[:limit]


def _channels(image: np.ndarray) -> Iterator[np.ndarray]:
    """Lightness, saturation and the two colour axes, each stretched to 0..255, if their range is large enough."""
    lab, hsv = cv2.cvtColor(image, cv2.COLOR_RGB2LAB), cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    for channel in (lab[..., 0], hsv[..., 1], lab[..., 1], lab[..., 2]):
        low, high = np.percentile(channel, (1, 99))
        if high - low >= _CONTRAST:
            stretched = (channel.astype(np.float32) - low) * 255 / (high - low)
            yield np.clip(stretched, 0, 255).astype(np.uint8)


def _is_part(points: np.ndarray, box: np.ndarray, size_hw: tuple[int, int]) -> bool:
    wide, high = box[2:] - box[:2]
    full = len(points) >= _FULL * wide * high
    return bool(min(wide, high) >= _SMALLEST_SIDE and wide <= 0.9 * size_hw[1] and high <= 0.9 * size_hw[0] and full)


def _alike(region: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(region - other).sum() < 0.15 * (region[2:] - region[:2]).sum())


def _closed(points: np.ndarray, size_hw: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The region's pixels, with gaps of one pixel closed."""
    mask = np.zeros(size_hw, np.uint8)
    mask[points[:, 1], points[:, 0]] = 1
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
