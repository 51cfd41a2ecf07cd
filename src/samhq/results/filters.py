"""Filters of whole-image masks: stability scores, crop edges and non-maximum suppression of boxes.

Works on numbers and boxes; knows nothing of networks, prompts or pixels.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), appendix B; segment-anything, utils/amg.py.
"""

from __future__ import annotations

import numpy as np

from samhq.image.crops import Crop
from samhq.shapes import Bool, Float32, Int64, Shaped

_EDGE = 20  #: A mask within this many pixels of a crop's edge counts as cut off.


def stability_score(above: int, below: int) -> float:
    """The IoU of a mask at two levels: pixels with logits above the higher level over those above the lower.

    0 for an empty mask.

    >>> stability_score(90, 100), stability_score(0, 0)
    (0.8999999761581421, 0.0)
    """
    return float(np.float32(above) / np.float32(below)) if below else 0.0


def near_crop_edge(boxes: Int64[np.ndarray, "M 4"], crop: Crop, size_hw: tuple[int, int]) -> Bool[np.ndarray, " M"]:
    """Whether each box comes within 20 pixels of an edge of its crop that is not an edge of the picture.

    Boxes (x0, y0, x1, y1) are in pixels of the whole picture of `size_hw`.

    >>> near_crop_edge(np.array([[50, 50, 95, 60]]), (0, 0, 100, 100), (100, 200)).tolist()
    [True]
    """
    picture = np.array([0, 0, size_hw[1], size_hw[0]])
    near_crop = np.abs(boxes - np.array(crop)) <= _EDGE
    near_picture = np.abs(boxes - picture) <= _EDGE
    return np.asarray((near_crop & ~near_picture).any(axis=1))


def nms(
    boxes: Shaped[np.ndarray, "M 4"], scores: Shaped[np.ndarray, " M"], threshold: float
) -> Int64[np.ndarray, " n"]:
    """The rows to keep, best score first: a box is dropped if its IoU with a better, kept box is above `threshold`.

    Equal scores keep their order. Boxes (x0, y0, x1, y1) are compared in float32, without adding a pixel.

    >>> nms(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]), np.array([0.5, 0.9, 0.7]), 0.7).tolist()
    [1, 2]

    Source: torchvision, ops/nms; same order and comparison.
    """
    left = np.argsort(-scores.astype(np.float32), kind="stable")
    corners = boxes.astype(np.float32)
    kept = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[~(box_iou(corners[best], corners[left]) > threshold)]
    return np.array(kept, np.int64)


def box_iou(box: Float32[np.ndarray, " 4"], others: Float32[np.ndarray, "M 4"]) -> Float32[np.ndarray, " M"]:
    """The IoU of one box with others; not a number where both have no area.

    >>> box_iou(np.array([0, 0, 2, 2], np.float32), np.array([[0, 0, 2, 1], [2, 0, 4, 2]], np.float32)).tolist()
    [0.5, 0.0]
    """
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    area, areas = (box[2] - box[0]) * (box[3] - box[1]), (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    with np.errstate(invalid="ignore"):
        return np.asarray(shared / (area + areas - shared))
