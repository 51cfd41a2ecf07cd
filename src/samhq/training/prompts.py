"""Prompts as users would give them, made from a true mask: boxes, clicks, earlier masks, corrections.

First prompts are NumPy and a pure function of the random generator; corrections are torch, and use the network's own
errors. Knows nothing about scenes or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from samhq.config import SURE_LOGIT
from samhq.image.boxes import boxes_from_masks
from samhq.training.kinds import Kind
from samhq.types import BACKGROUND, FOREGROUND, IGNORED, Prompts

#: Most clicks of a first prompt.
MOST_POINTS = 4
_LOW = 4  # Picture pixels along a side of a low-resolution mask's pixel.


@dataclass(frozen=True)
class TrainingPrompt:
    """One prompt in picture pixels: points [N,2], labels [N], box [4] and mask [G,G] logits, NaN if absent.

    `ambiguous` is true for a single click, for which several masks would be right.
    """

    points: np.ndarray
    labels: np.ndarray
    box: np.ndarray
    mask: np.ndarray
    ambiguous: bool


def draw_kind(kinds: Mapping[Kind, float], rng: np.random.Generator) -> Kind:
    """A random kind of prompt with the probabilities in `kinds`, which add up to one."""
    return list(kinds)[int(rng.choice(len(kinds), p=list(kinds.values())))]


def draw_prompt(mask: np.ndarray, kind: Kind, rng: np.random.Generator, clicks: int = 10) -> TrainingPrompt:
    """A prompt of that kind for a boolean mask [H,W] that is not empty; `clicks` are the points of kind "clicks".

    Source: "tight_box", "clicks" and "noise_mask" are those of SAM-HQ's training (arXiv 2306.01567, train/train.py).
    """
    none = TrainingPrompt(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), _nan(4), _nan(*_low_hw(mask)), False)
    if kind == "box":
        return replace(none, box=jittered(tight_box(mask), mask.shape, rng))
    if kind == "point":
        points, labels = draw_clicks(mask, 1, 0, rng)
        return replace(none, points=points, labels=labels, ambiguous=True)
    if kind == "points":
        count = int(rng.integers(2, MOST_POINTS + 1))
        outside = int(rng.integers(0, min(2, count - 1) + 1))
        points, labels = draw_clicks(mask, count - outside, outside, rng)
        return replace(none, points=points, labels=labels)
    if kind == "box_points":
        points, labels = draw_clicks(mask, 1, int(rng.integers(0, 2)), rng)
        return replace(none, points=points, labels=labels, box=jittered(tight_box(mask), mask.shape, rng))
    if kind == "mask":
        points, labels = draw_clicks(mask, 1, 0, rng)
        return replace(none, points=points, labels=labels, mask=rough_mask(mask, rng))
    if kind == "tight_box":
        return replace(none, box=tight_box(mask))
    if kind == "clicks":
        points = different_points(mask, clicks, rng)
        return replace(none, points=points, labels=np.full(len(points), FOREGROUND, np.int64))
    noisy = noise_mask(mask, rng)
    # The published training gives 0 and 255, which no decoder produces; SAM's own masks are logits around 0.
    logits = noisy * 255.0 if kind == "noise_mask_255" else noisy * 2 * SURE_LOGIT - SURE_LOGIT
    return replace(none, mask=logits.astype(np.float32))


def tight_box(mask: np.ndarray) -> np.ndarray:
    """The smallest box (x0, y0, x1, y1) around a mask's pixels, last pixel included.

    >>> tight_box(np.array([[0, 0, 0], [0, 1, 1]], bool)).tolist()
    [1.0, 1.0, 2.0, 1.0]
    """
    return boxes_from_masks(mask).astype(np.float32)


def jittered(box: np.ndarray, size_hw: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """The box (x0, y0, x1, y1), half the time unchanged, else with each edge moved at random inside the picture.

    The move is typically a tenth of the box's side, at most a fifth, and never more than 40 pixels of 1024; if a fifth
    is less than a pixel, at most a pixel. Edges that cross are swapped: x0 <= x1, y0 <= y1.

    Source: arXiv 2304.02643 section A: noise of a tenth of the side, at most 20 pixels of 1024.
    """
    if rng.random() < 0.5:
        return box
    width, height = box[2] - box[0], box[3] - box[1]
    most = max(size_hw) * 20 / 1024
    limit = np.maximum(1.0, np.minimum(np.array([width, height] * 2) * 0.2, 2 * most))
    noise = np.clip(rng.normal(0, 0.5, 4), -1, 1) * limit
    ends = np.array([size_hw[1] - 1, size_hw[0] - 1] * 2, np.float32)
    moved = np.clip(box + noise, 0, ends).astype(np.float32)
    return np.sort(moved.reshape(2, 2), 0).reshape(4)


def draw_clicks(mask: np.ndarray, inside: int, outside: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """That many clicks on the mask, then clicks beside it: points [N,2] as (x, y) and labels [N].

    Clicks beside it fall within its box, enlarged by a quarter; a mask that fills it gets none.
    """
    on = _pick(np.argwhere(mask), inside, rng)
    beside = np.zeros((0, 2), np.int64)
    if outside:
        window, corner = _around(mask)
        free = np.argwhere(~window)
        beside = _pick(free, outside, rng) + corner if len(free) else beside
    points = np.concatenate([on, beside])[:, ::-1].astype(np.float32)
    return points, np.array([FOREGROUND] * len(on) + [BACKGROUND] * len(beside), np.int64)


def _pick(places: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return places[rng.integers(0, len(places), count)]


def different_points(mask: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """That many different pixels [N,2] of the mask as (x, y); all of them if it has fewer.

    >>> different_points(np.eye(2, dtype=bool), 10, np.random.default_rng(0)).shape
    (2, 2)
    """
    places = np.argwhere(mask)
    chosen = rng.permutation(len(places))[:count]
    return places[chosen][:, ::-1].astype(np.float32)


def _around(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the mask within its enlarged box, and the (row, column) of that part's corner."""
    x0, y0, x1, y1 = tight_box(mask).astype(int)
    dx, dy = (x1 - x0) // 4 + 2, (y1 - y0) // 4 + 2
    top, left = max(0, y0 - dy), max(0, x0 - dx)
    return mask[top : y1 + dy + 1, left : x1 + dx + 1], np.array([top, left])


def rough_mask(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Logits [G,G] of a mask as from an earlier round: shifted, coarse and noisy."""
    down, right = rng.integers(-_LOW, _LOW + 1, 2).tolist()
    soft = soft_target(shifted(mask, down, right), 1)
    coarse = soft[::2, ::2].repeat(2, 0).repeat(2, 1)[: soft.shape[0], : soft.shape[1]]
    noise = rng.normal(0, 0.15, soft.shape)
    return ((coarse - 0.5 + noise) * rng.uniform(6, 16)).astype(np.float32)


def shifted(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    """The mask [H,W] moved by whole pixels, up or left if negative; parts outside the picture are lost.

    >>> shifted(np.array([[1, 2], [3, 4]]), 1, -1).tolist()
    [[0, 0], [2, 0]]
    """
    (height, width), moved = mask.shape, np.zeros_like(mask)
    moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = mask[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved


def noise_mask(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask at low resolution, bool [G,G], its boundary replaced by noise, coarser where the shape is finer.

    Source: SAM-HQ, train/utils/misc.py: normal noise wherever shrinking eightfold changes the mask by a hundredth.
    """
    small = torch.from_numpy(mask[None, None].astype(np.float32))
    small = functional.interpolate(small, _low_hw(mask), mode="bilinear", align_corners=False)
    eighth = (max(1, small.shape[-2] // 8), max(1, small.shape[-1] // 8))
    coarse = functional.interpolate(small, eighth, mode="bilinear", align_corners=False)
    lost = (
        small - functional.interpolate(coarse, small.shape[-2:], mode="bilinear", align_corners=False)
    ).abs() >= 0.01
    noise = rng.standard_normal(small.shape[-2:], np.float32)
    return (small + torch.from_numpy(noise) * lost)[0, 0].numpy() > 0.5


def soft_target(mask: np.ndarray, fine: int) -> np.ndarray:
    """The share of each low-resolution pixel that the mask covers, 0..1, `fine` times finer than low resolution.

    `mask` is bool, or already shares 0..1.

    >>> soft_target(np.eye(4, dtype=bool), 1).tolist()
    [[0.25]]
    """
    cell = _LOW // fine
    height, width = mask.shape[0] // cell, mask.shape[1] // cell
    return mask.reshape(height, cell, width, cell).mean((1, 3), dtype=np.float32)


def gather(prompts: list[TrainingPrompt], image_index: list[int]) -> Prompts:
    """One flat `Prompts` from many; short rows of clicks are padded with points that attention ignores.

    `masks` is None if no prompt has one.
    """
    most = max(1, *(len(prompt.labels) for prompt in prompts))
    points = np.zeros((len(prompts), most, 2), np.float32)
    labels = np.full((len(prompts), most), IGNORED, np.int64)
    for row, prompt in enumerate(prompts):
        points[row, : len(prompt.labels)], labels[row, : len(prompt.labels)] = prompt.points, prompt.labels
    masks = np.stack([prompt.mask for prompt in prompts])[:, None]
    return Prompts(
        torch.tensor(image_index, dtype=torch.int64),
        torch.from_numpy(points),
        torch.from_numpy(labels),
        torch.from_numpy(np.stack([prompt.box for prompt in prompts])),
        None if np.isnan(masks).all() else torch.from_numpy(masks),
    )


def corrected(prompts: Prompts, logits: Float[Tensor, "P G G"], target: Float[Tensor, "P G G"]) -> Prompts:
    """The prompts with the mask they gave and one more click, inside the error; inside the object if there is none.

    Draws from torch's global generator. Clicks in the middle of an error are more likely than at its edge.
    """
    assert prompts.points is not None
    assert prompts.labels is not None
    truth = target > 0.5
    wrong = ((logits > 0) != truth).float()
    depth = functional.avg_pool2d(wrong[:, None], 3, 1, 1)[:, 0].square() * wrong
    somewhere = target + 1e-6
    place = torch.where(wrong.any(-1).any(-1)[:, None, None], depth, somewhere).flatten(1).multinomial(1)
    width = logits.shape[-1]
    xy = torch.cat([place % width, place // width], 1).float() * _LOW + (_LOW - 1) / 2
    label = torch.where(truth.flatten(1).gather(1, place), FOREGROUND, BACKGROUND)
    return replace(
        prompts,
        points=torch.cat([prompts.points, xy[:, None].to(prompts.points.dtype)], 1),
        labels=torch.cat([prompts.labels, label.to(prompts.labels.dtype)], 1),
        masks=logits[:, None].detach(),
    )


def _low_hw(mask: np.ndarray) -> tuple[int, int]:
    return mask.shape[0] // _LOW, mask.shape[1] // _LOW


def _nan(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)
