"""Compares masks on a few thousand points, most of them where the mask is uncertain, at the truth's resolution.

Draws from torch's global generator. Knows nothing about models, prompts or pictures.

Source: PointRend (arXiv 1912.08193), as in SAM-HQ's training (arXiv 2306.01567).
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

#: How many times more points are drawn than kept; the uncertain ones are kept.
OVERSAMPLE = 3
#: Share of uncertain points; the others are anywhere.
IMPORTANCE = 0.75


@torch.no_grad()
def unsure_points(logits: Float[Tensor, "M G G"], count: int) -> Float[Tensor, "M N 2"]:
    """Positions (x, y) in 0..1 for each mask: three quarters are the most uncertain of many, the rest are anywhere."""
    unsure = int(IMPORTANCE * count)
    pool = torch.rand(len(logits), OVERSAMPLE * count, 2, device=logits.device)
    doubt = -sampled(logits, pool).abs()
    best = doubt.topk(unsure, dim=1).indices
    anywhere = torch.rand(len(logits), count - unsure, 2, device=logits.device)
    return torch.cat([pool.gather(1, best[..., None].expand(-1, -1, 2)), anywhere], 1)


def sampled(maps: Float[Tensor, "M H W"], places: Float[Tensor, "M N 2"]) -> Float[Tensor, "M N"]:
    """The value of each map at its positions (x, y) in 0..1: bilinear between pixel centres, constant beyond the last.

    The published loss reads zeros beyond the last centres, which makes every certain mask uncertain along the border.

    >>> sampled(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]])).tolist()
    [[1.0, 2.0, 3.0]]
    """
    grid = (2 * places - 1)[:, :, None].to(maps.dtype)
    return functional.grid_sample(maps[:, None], grid, mode="bilinear", padding_mode="border", align_corners=False)[
        :, 0, :, 0
    ]


def at_points(
    logits: Float[Tensor, "P K G G"], target: Float[Tensor, "P F F"], count: int
) -> tuple[Float[Tensor, "P K 1 N"], Float[Tensor, "P K 1 N"]]:
    """Each mask's logits and the truth, at `count` positions chosen for that mask, as pictures of one row.

    The truth may have another resolution than the logits. Only the logits have a gradient.
    """
    prompts, masks = logits.shape[:2]
    flat = logits.float().flatten(0, 1)
    places = unsure_points(flat.detach(), count)
    predicted = sampled(flat, places).view(prompts, masks, 1, count)
    true = sampled(target, places.view(prompts, masks * count, 2)).view(prompts, masks, 1, count)
    return predicted, true
