"""What masks that need no network would score: the least to ask of one, and what its masks' size leaves possible.

The least is an object's box, filled. What a mask of few pixels can say of the truth is told twice: as the share of
each pixel that the object covers, and as numbers chosen for nothing but the result. Knows nothing about networks.
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

#: Masks in place of the true ones [K,H,W], from the picture [H,W,3] and them.
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
            pair = torch.from_numpy(answer(scene.image, truth)), torch.from_numpy(truth)
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

    What a network gives that says of each of its pixels how much of it is object. No upper bound, see `fitted`.

    >>> line = np.zeros((1, 8, 8), bool)
    >>> line[:, 3] = True
    >>> int(coarsened(line, 8).sum()), int(coarsened(line, 2).sum())
    (8, 0)
    """
    return _enlarged(torch.from_numpy(_covered(masks, grid)), masks.shape[1:]).numpy() > 0.5


def fitted(masks: Bool[np.ndarray, "K H W"], grid: int, steps: int = 150) -> Bool[np.ndarray, "K H W"]:
    """About the best masks that `grid` logits a side can give, enlarged bilinearly: those fitted to the truth itself.

    Never further from the truth than `coarsened`, where the descent on a soft IoU begins. Between pixels, numbers of
    very different sizes draw finer than a pixel. Takes seconds for a few masks.

    >>> line = np.zeros((1, 16, 16), bool)
    >>> line[:, 5] = True
    >>> int(coarsened(line, 4).sum()), bool((fitted(line, 4) == line).all())
    (0, True)
    """
    size_hw, truth = masks.shape[1:], torch.from_numpy(masks)
    small = torch.from_numpy(_covered(masks, grid))
    logits = (8 * (small - 0.5)).requires_grad_()
    found = _enlarged(logits.detach(), size_hw) > 0
    descent = torch.optim.Adam([logits], lr=0.3)
    for step in range(steps):
        large = _enlarged(logits, size_hw)
        better = iou(large.detach() > 0, truth) > iou(found, truth)
        found[better] = large.detach()[better] > 0
        said = (large * (1 + step / 25)).sigmoid()  # ever sharper: the threshold is what counts in the end
        both = (said * truth).sum((1, 2))
        descent.zero_grad()
        (1 - both / (said.sum((1, 2)) + truth.sum((1, 2)) - both)).sum().backward()  # type: ignore[no-untyped-call]
        descent.step()
    return found.numpy()


def _covered(masks: np.ndarray, grid: int) -> np.ndarray:
    """How much of each of `grid` pixels a side the masks cover, 0..1."""
    height, width = masks.shape[1:]
    return _shares(height, grid) @ masks.astype(np.float32) @ _shares(width, grid).T


def _enlarged(small: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    return functional.interpolate(small[:, None], size_hw, mode="bilinear")[:, 0]


def _shares(fine: int, coarse: int) -> np.ndarray:
    """Which share of each coarse pixel every fine one covers, float32 [coarse, fine]; rows add up to one."""
    edges, pixel = np.arange(coarse + 1) * (fine / coarse), np.arange(fine)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.clip(covered, 0, None) * (coarse / fine)).astype(np.float32)
