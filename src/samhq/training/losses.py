"""The loss of a set of masks and scores against the truth.

Works on low-resolution logits and soft targets, the share of each pixel that the object covers: on every pixel, or on
points where the mask is uncertain. Knows nothing about models, prompts or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from samhq.training.points import at_points
from samhq.training.recipes import LossWeights

#: Share of the loss that goes to all three candidates, not only to the best, so that none stops learning.
_SHARED = 0.1


@dataclass(frozen=True)
class Losses:
    """The loss to minimise, its parts for the log, and each prompt's chosen SAM mask [P] and its IoU [P]."""

    total: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]]
    chosen: Int64[Tensor, " P"]
    true_iou: Float[Tensor, " P"]


def mask_loss(
    logits: Float[Tensor, "P K G G"], target: Float[Tensor, "P F F"], weights: LossWeights
) -> Float[Tensor, "P K"]:
    """Weighted cross-entropy, focal and dice loss of each mask, averaged over its pixels, or over points.

    On every pixel the target must have the logits' size; with `weights.points` it may have any size.

    >>> perfect = torch.tensor([[[[9.0, -9.0], [-9.0, -9.0]]]])
    >>> loss = mask_loss(perfect, (perfect[:, 0] > 0).float(), LossWeights())
    >>> bool(loss < 1e-3)
    True

    Source: focal and dice as in arXiv 2304.02643 section A; focal for soft targets as in arXiv 2006.04388.
    """
    predicted, truth = logits, target[:, None].expand(-1, logits.shape[1], -1, -1)
    if weights.points:
        predicted, truth = at_points(logits, target, weights.points)
    probability = predicted.sigmoid()
    pixels = functional.binary_cross_entropy_with_logits(predicted, truth, reduction="none")
    loss = weights.dice * dice_loss(probability, truth)
    if weights.bce:
        loss = loss + weights.bce * pixels.mean((-2, -1))
    if weights.focal:
        loss = loss + weights.focal * (pixels * (probability - truth).square()).mean((-2, -1))
    return loss


def dice_loss(probability: Float[Tensor, "*n H W"], truth: Float[Tensor, "*n H W"]) -> Float[Tensor, "*n"]:
    """One minus the soft dice overlap; one is added to numerator and denominator, so that two empty masks cost nothing.

    >>> dice_loss(torch.zeros(2, 2), torch.zeros(2, 2)).item()
    0.0
    """
    overlap = (probability * truth).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + truth.sum((-2, -1)) + 1)


def low_res_iou(logits: Float[Tensor, "P K G G"], target: Float[Tensor, "P G G"]) -> Float[Tensor, "P K"]:
    """IoU, 0..1, of each mask with the target at low resolution; 1 if both are empty."""
    mask, truth = logits > 0, target[:, None] > 0.5
    overlap, union = (mask & truth).sum((-2, -1)).float(), (mask | truth).sum((-2, -1)).float()
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)


def prompt_losses(
    sam_logits: Float[Tensor, "P 4 G G"],
    hq_logits: Float[Tensor, "P 1 G G"] | None,
    iou: Float[Tensor, "P 4"],
    target: Float[Tensor, "P F F"],
    ambiguous: Bool[Tensor, " P"],
    weights: LossWeights,
) -> Losses:
    """The loss of one round. An ambiguous prompt uses the best of masks 1..3, any other prompt uses mask 0.

    The other masks have the weight `weights.minor`, so that both kinds of answers work for every prompt. When HQ is
    added to SAM's mask, that mask is detached: HQ learns to correct SAM, and SAM does not learn to be corrected. On
    every pixel, SAM's masks are compared at their own size, and HQ masks enlarged to a finer target.
    """
    low = mean_pooled(target, sam_logits.shape[-1])
    truth = low_res_iou(sam_logits.detach(), low)
    if weights.sam or weights.minor:
        each = mask_loss(sam_logits, target if weights.points else low, weights)
        three, best = each[:, 1:].min(1)
        three = (1 - _SHARED) * three + _SHARED * each[:, 1:].mean(1)
        major, minor = torch.where(ambiguous, three, each[:, 0]), torch.where(ambiguous, each[:, 0], three)
        parts = {"sam": major.mean(), "minor": minor.mean()}
    else:  # SAM does not learn: its best mask is the one with the best overlap.
        parts, best = {}, truth[:, 1:].argmax(1)
    chosen = torch.where(ambiguous, best + 1, 0)
    if weights.iou:
        parts["iou"] = (iou.float() - truth).square().mean()
    if hq_logits is not None and (weights.hq or weights.hq_sum):
        rows = torch.arange(len(chosen), device=chosen.device)
        parts |= _hq_losses(hq_logits, sam_logits.detach()[rows, chosen][:, None], target, weights)
    total = sum((getattr(weights, name) * part for name, part in parts.items()), start=sam_logits.new_zeros(()))
    return Losses(total, parts, chosen, truth.gather(1, chosen[:, None])[:, 0])


def _hq_losses(hq_logits: Tensor, sam_logits: Tensor, target: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """The loss of the HQ mask, alone and added to SAM's; parts with weight 0 are not computed."""
    compared = {"hq": hq_logits, "hq_sum": sam_logits + hq_logits}
    compared = {name: logits for name, logits in compared.items() if getattr(weights, name)}
    logits = torch.cat(list(compared.values()), 1)
    logits = logits if weights.points else _enlarged(logits, target.shape[-1])
    return dict(zip(compared, mask_loss(logits, target, weights).mean(0), strict=True))


def mean_pooled(target: Float[Tensor, "P F F"], size: int) -> Float[Tensor, "P G G"]:
    """The target at a smaller size: each cell is the mean of its pixels."""
    return target if target.shape[-1] == size else functional.adaptive_avg_pool2d(target, size)


def _enlarged(logits: Float[Tensor, "P K G G"], size: int) -> Float[Tensor, "P K F F"]:
    if logits.shape[-1] == size:
        return logits
    return functional.interpolate(logits, (size, size), mode="bilinear", align_corners=False)
