"""Masks and scores for a batch of points in whole-image segmentation.

Masks that fail the IoU threshold are not computed. Knows nothing about crops, boxes or the final choice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from samhq.config import Candidates, HQMode
from samhq.inference.drafts import Drafts
from samhq.masks import holes
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.types import Attended, Choice, ImageEmbedding, Prompts

_PROMPT_LOGIT_LIMIT = 32.0  #: Logits of a mask prompt are clipped to this absolute value, as in SAM 2.
_CPU_PAINTED = 2  #: Points to compute masks for at a time on a CPU; more do not fit into its cache.


def scored_candidates(
    model: Sam, embedding: ImageEmbedding, prompts: Prompts, config: AutomaticConfig, drafts: Drafts | None = None
) -> tuple[Float32[Tensor, "P K"], Bool[Tensor, "P K"], Tensor]:
    """Scores of all masks, which of them pass, and the logits [M,4g,4g] of those that pass.

    With `drafts`, masks with an HQ part also have to pass as drafts, unless points get several masks or two passes.
    """
    candidates, hq = policy(model, config)
    attended, choice = model.choose(model.attend(embedding, prompts), embedding, candidates, hq)
    scores = choice.iou.float()
    passing = torch.ones_like(scores).bool()
    if config.pred_iou_thresh > 0 and not config.second_pass:
        passing = scores > config.pred_iou_thresh
    if drafts is not None and choice.hq != "off" and scores.shape[1] == 1 and not config.second_pass:
        passing, logits = _painted_if_promising(model, embedding, attended, choice, passing, drafts)
    else:
        logits = _painted(model, embedding, attended, choice, passing)
    if config.second_pass:
        scores, logits = second_pass(model, embedding, prompts, logits, hq)
        passing = scores > config.pred_iou_thresh if config.pred_iou_thresh > 0 else passing
        logits = logits[passing.flatten()]
    if config.low_res_region_area:
        area = config.low_res_region_area
        cleaned = [
            holes.cleaned(mask_logits, area, area, config.mask_threshold)
            for mask_logits in logits.float().cpu().numpy()
        ]
        logits = torch.from_numpy(np.stack(cleaned)).to(logits.device) if cleaned else logits
    return scores, passing, logits


def policy(model: Sam, config: AutomaticConfig) -> tuple[Candidates, HQMode]:
    """Which masks to use for a point; the defaults are those of segment-anything, SAM 2 and SAM-HQ for their models.

    Raises:
        ConfigError: `hq` asks for something that the model does not have.
    """
    return config.candidates or ("best" if model.config.has_hq_map else "all"), model.hq_mode(config.hq)


def second_pass(
    model: Sam, embedding: ImageEmbedding, prompts: Prompts, logits: Tensor, hq: HQMode
) -> tuple[Float32[Tensor, "P K"], Tensor]:
    """Scores and logits of every mask after a second pass with mask and point: `logits` [PK,4g,4g], by point."""
    masks_per_point = len(logits) // len(prompts)
    rows = torch.arange(len(prompts), device=logits.device).repeat_interleave(masks_per_point)
    with_masks = replace(
        prompts.to(rows.device)[rows], masks=logits.clamp(-_PROMPT_LOGIT_LIMIT, _PROMPT_LOGIT_LIMIT)[:, None]
    )
    low = model.decode(embedding, with_masks, candidates="single", hq=hq)
    return low.iou.float().view(-1, masks_per_point), low.logits[:, 0]


def _painted(
    model: Sam, embedding: ImageEmbedding, attended: Attended, choice: Choice, passing: Bool[Tensor, "P K"]
) -> Tensor:
    """Logits [M,4g,4g] of the masks that pass; points without such a mask are left out."""
    rows = passing.any(dim=1)
    if not bool(rows.any()):
        return attended.image.new_zeros(0, 4 * model.config.grid, 4 * model.config.grid)
    if not bool(rows.all()):
        attended, passing = attended[rows], passing[rows]
        choice = Choice(choice.masks[rows], choice.iou[rows], choice.hq)
    size = _CPU_PAINTED if model.device.type == "cpu" else len(passing)
    parts = [slice(start, start + size) for start in range(0, len(passing), size)]
    return torch.cat([_paint(model, embedding, attended, choice, part)[passing[part]] for part in parts])


def _painted_if_promising(
    model: Sam,
    embedding: ImageEmbedding,
    attended: Attended,
    choice: Choice,
    passing: Bool[Tensor, "P 1"],
    drafts: Drafts,
) -> tuple[Bool[Tensor, "P 1"], Tensor]:
    """Which points pass as drafts too, and the logits [M,4g,4g] of their masks."""
    promising, parts = passing.clone(), []
    rows = passing[:, 0].nonzero()[:, 0]
    at_once = _CPU_PAINTED if model.device.type == "cpu" else max(1, len(rows))
    for start in range(0, max(1, len(rows)), at_once):
        batch = rows[start : start + at_once]
        chosen = Choice(choice.masks[batch], choice.iou[batch], choice.hq)
        state = attended[batch]
        state = replace(
            state, upscaled=model.mask_decoder.upscaled(state, embedding)
        )  # SAM's and the HQ part both need them.
        logits, _ = model.mask_decoder.logits(state, embedding, chosen.masks, "off")
        assert logits is not None
        good = promising[batch, 0] = drafts.promising(logits[:, 0], chosen.iou[:, 0])
        if bool(good.any()):
            _, hq_logits = model.mask_decoder.logits(state[good], embedding, chosen.masks[good], "only")
            assert hq_logits is not None
            parts.append((hq_logits if choice.hq == "only" else logits[good] + hq_logits)[:, 0])
    side = 4 * model.config.grid
    return promising, torch.cat(parts) if parts else attended.image.new_zeros(0, side, side)


def _paint(model: Sam, embedding: ImageEmbedding, attended: Attended, choice: Choice, part: slice) -> Tensor:
    """Logits [P,K,4g,4g] of some of the points."""
    chosen = Choice(choice.masks[part], choice.iou[part], choice.hq)
    return model.mask_decoder.paint(attended[part], embedding, chosen)
