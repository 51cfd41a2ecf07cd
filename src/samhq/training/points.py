"""Masks judged on a few thousand points, most of them where the mask is unsure, at the resolution of the truth.

Draws from torch's global generator. Knows nothing about models, prompts or pictures.

Source: PointRend (arXiv 1912.08193), as SAM-HQ trains with it (arXiv 2306.01567).
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

#: So many times the points are drawn, and the unsure ones kept.
OVERSAMPLE = 3
#: Share of the points that are the unsure ones; the others are anywhere.
IMPORTANCE = 0.75


@torch.no_grad()
def unsure_points(logits: Float[Tensor, "M G G"], count: int) -> Float[Tensor, "M N 2"]:
    """Places (x, y) in 0..1 for each mask: three quarters those nearest to the threshold of many, the rest anywhere."""
    unsure = int(IMPORTANCE * count)
    pool = torch.rand(len(logits), OVERSAMPLE * count, 2, device=logits.device)
    doubt = -sampled(logits, pool).abs()
    best = doubt.topk(unsure, dim=1).indices
    anywhere = torch.rand(len(logits), count - unsure, 2, device=logits.device)
    return torch.cat([pool.gather(1, best[..., None].expand(-1, -1, 2)), anywhere], 1)


def sampled(maps: Float[Tensor, "M H W"], places: Float[Tensor, "M N 2"]) -> Float[Tensor, "M N"]:
    """The value of each map at its places (x, y) in 0..1: bilinear between pixel centres, beyond the last as there.

    The published loss reads zeros beyond the last centres, which makes every sure mask unsure along the border.

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
    """Each mask's logits and the truth, at `count` places chosen for that mask: pictures of one row.

    The truth may have another resolution than the logits. Only the logits have a gradient.
    """
    prompts, masks = logits.shape[:2]
    flat = logits.float().flatten(0, 1)
    places = unsure_points(flat.detach(), count)
    said = sampled(flat, places).view(prompts, masks, 1, count)
    true = sampled(target, places.view(prompts, masks * count, 2)).view(prompts, masks, 1, count)
    return said, true
