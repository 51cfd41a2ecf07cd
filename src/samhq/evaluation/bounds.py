"""What masks that need no network would score: about the least and about the most that one can reach.

The least is an object's box, filled; the most is the truth, no finer than the network's own masks. Knows nothing
about networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from samhq.evaluation.metrics import boundary_iou, iou
from samhq.evaluation.scenes import FEWEST_PIXELS, MOST_OBJECTS, Labelled, Score, asked_objects, mean_score
from samhq.image.boxes import boxes_from_masks
from samhq.shapes import Bool

#: Masks in place of the true ones [K,H,W].
Answer = Callable[[np.ndarray], np.ndarray]


def score_answers(
    scenes: Iterable[Labelled],
    answers: Mapping[str, Answer],
    *,
    fewest_pixels: int = FEWEST_PIXELS,
    most_objects: int = MOST_OBJECTS,
) -> list[Score]:
    """One `Score` for each answer, over the objects that `evaluate_scenes` asks a network for; its `hq` is "off"."""
    rows: dict[str, list[Tensor]] = {name: [] for name in answers}
    for scene in scenes:
        chosen = asked_objects(scene, fewest_pixels, most_objects)
        if not len(chosen):
            continue
        truth, thin = scene.masks[chosen], torch.from_numpy(np.asarray(scene.thin)[chosen]).float()
        for name, answer in answers.items():
            pair = torch.from_numpy(answer(truth)), torch.from_numpy(truth)
            rows[name].append(torch.stack([iou(*pair), boundary_iou(*pair), thin], 1))
    return [mean_score(name, "off", found) for name, found in rows.items()]


def filled_boxes(masks: Bool[np.ndarray, "K H W"]) -> Bool[np.ndarray, "K H W"]:
    """Each mask's box as a mask, last pixel included.

    >>> int(filled_boxes(np.eye(3, dtype=bool)[None]).sum())
    9
    """
    x0, y0, x1, y1 = (edge[:, None] for edge in boxes_from_masks(masks).T)
    row, column = np.arange(masks.shape[1]), np.arange(masks.shape[2])
    return ((row >= y0) & (row <= y1))[:, :, None] & ((column >= x0) & (column <= x1))[:, None, :]


def coarsened(masks: Bool[np.ndarray, "K H W"], grid: int) -> Bool[np.ndarray, "K H W"]:
    """The masks averaged by area to `grid` pixels a side, enlarged bilinearly, true above a half.

    A network could choose such a small picture's numbers a little better still: this is near the most, not above it.

    >>> line = np.zeros((1, 8, 8), bool)
    >>> line[:, 3] = True
    >>> int(coarsened(line, 8).sum()), int(coarsened(line, 2).sum())
    (8, 0)
    """
    height, width = masks.shape[1:]
    small = _shares(height, grid) @ masks.astype(np.float32) @ _shares(width, grid).T
    large = functional.interpolate(torch.from_numpy(small)[:, None], (height, width), mode="bilinear")
    return large[:, 0].numpy() > 0.5


def _shares(fine: int, coarse: int) -> np.ndarray:
    """Which share of each coarse pixel every fine one covers, float32 [coarse, fine]; rows add up to one."""
    edges, pixel = np.arange(coarse + 1) * (fine / coarse), np.arange(fine)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.clip(covered, 0, None) * (coarse / fine)).astype(np.float32)
