"""Points and a box of SAM 2's video predictor as one list of labelled points."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from samhq.compat.sam2.arrays import check_labels, numbers
from samhq.config import BOTTOM_RIGHT, TOP_LEFT
from samhq.errors import PromptError
from samhq.video.tracker import Clicks


def as_clicks(points: Any, labels: Any, box: Any, *, clear_old_points: bool) -> Clicks:
    """Points with labels, the corners of the box first; coordinates are unchanged.

    Raises:
        PromptError: no points and no box, points without labels or of another shape, a box that joins earlier points,
            several boxes, or values that are no finite numbers.
    """
    if (points is None) != (labels is None):
        raise PromptError("Expected points and labels together, got one without the other. Give both.")
    if points is None and box is None:
        raise PromptError("Expected points or a box, got neither. Give points and labels, or box.")
    if box is not None and not clear_old_points:
        raise PromptError(
            "Expected clear_old_points=True with a box, which comes before all points, got False. Give the box with "
            "the first points."
        )
    parts = [] if box is None else [_corners(numbers(box, "a box"))]
    if points is not None:
        parts.append(_points(numbers(points, "points"), numbers(labels, "labels")))
    clicks = parts[0] + parts[1] if len(parts) == 2 else parts[0]
    if not len(clicks.labels):
        raise PromptError("Expected at least one point, got none. Give points and labels, or box.")
    return clicks


def _corners(box: Tensor) -> Clicks:
    if box.numel() != 4:
        raise PromptError(f"Expected one box (x0, y0, x1, y1), got shape {list(box.shape)}. Give one box in each call.")
    return Clicks(box.float().reshape(2, 2), torch.tensor([TOP_LEFT, BOTTOM_RIGHT]))


def _points(places: Tensor, labels: Tensor) -> Clicks:
    if places.numel() and places.shape[-1] != 2:
        raise PromptError(f"Expected points [N, 2] as (x, y), got shape {list(places.shape)}. Give x and y of each.")
    places, labels = places.float().reshape(-1, 2), labels.long().reshape(-1)
    if len(places) != len(labels):
        raise PromptError(
            f"Expected one label for each point, got {len(places)} points and {len(labels)} labels. "
            "Give one label for each point."
        )
    check_labels(labels)
    return Clicks(places, labels)
