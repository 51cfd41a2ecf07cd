"""SAM 2's decoder: SAM's, with two finer maps of the image, and a score for whether the object is visible.

`MaskDecoder2HQ` is HQ-SAM 2's: it has one more token, whose mask is computed from convolved features.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), appendix D.1; Ke et al., Segment Anything in High Quality (arXiv
2306.01567), and the folder sam-hq2 of its repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from samhq.model.linear import MLP, pointwise
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import HQMask
from samhq.types import Attended, Choice, ImageEmbedding


class MaskDecoder2(MaskDecoder):
    """Four masks as SAM's, computed with the help of two finer maps; predicted IoU is in 0..1."""

    def __init__(self, *, dim: int, middle_dim: int, mask_dim: int, head_depth: int, **rest: Any) -> None:
        super().__init__(dim=dim, middle_dim=middle_dim, mask_dim=mask_dim, head_depth=head_depth, listed=True, **rest)
        self.obj_score_token = nn.Embedding(1, dim)
        self.conv_s0 = nn.Conv2d(dim, mask_dim, kernel_size=1)
        self.conv_s1 = nn.Conv2d(dim, middle_dim, kernel_size=1)
        self.pred_obj_score_head = MLP(dim, dim, 1, head_depth)

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """The tokens of IoU, masks, and the object score last; attention ignores order, so SAM's positions stay."""
        return torch.cat([super().output_tokens(), self.obj_score_token.weight])

    def quality(self, tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P M"]:
        """The predicted IoU of every mask, in 0..1."""
        return super().quality(tokens).sigmoid()

    def object_score(self, tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P 1"]:
        """Above 0 if the object is visible; `tokens` as in `Attended`."""
        return self.pred_obj_score_head(tokens[:, -1])

    def steadied(
        self, attended: Attended, embedding: ImageEmbedding, choice: Choice, *, delta: float, least: float
    ) -> Choice:
        """A single mask if it is `stable`, else the best of the other three, with its logits."""
        best = attended.iou[:, 1:].argmax(1, keepdim=True) + 1
        both = torch.cat([choice.masks, best], dim=1)
        logits = self.products(self.weights(attended.tokens, both), attended, embedding)
        steady = stable(logits[:, 0], delta, least)
        masks = torch.where(steady[:, None], choice.masks, best)
        kept = torch.where(steady.view(-1, *[1] * (logits.ndim - 1)), logits[:, :1], logits[:, 1:])
        return Choice(masks, attended.iou.gather(1, masks), choice.hq, kept)

    def levels(self, finest: Float[Tensor, "I G G C"], finer: Float[Tensor, "I F F C"]) -> tuple[Tensor, Tensor]:
        """The two maps for enlarging masks, [I,c,4g,4g] and [I,2c,2g,2g]; computed once for each image."""
        return pointwise(self.conv_s0, finest.permute(0, 3, 1, 2)), pointwise(self.conv_s1, finer.permute(0, 3, 1, 2))

    def ready(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The two finer maps, finest first, as `ImageEmbedding.bases` holds them; nothing where layers are watched."""
        finest, finer = levels
        return self.output_upscaling.bases((finer, finest), finer.shape[2] // 2) if self.output_upscaling.folds else ()

    def added_maps(self, attended: Attended, embedding: ImageEmbedding) -> tuple[Tensor, ...]:
        """The finer maps of the prompts' images, coarser first."""
        assert len(embedding.levels) == 2, "SAM 2's decoder needs the image's two finer maps"
        return row_for_each_prompt(embedding.levels[::-1], attended.image_index)

    def bases(self, attended: Attended, embedding: ImageEmbedding) -> tuple[Tensor, ...]:
        """The same in the order of enlargement."""
        return row_for_each_prompt(embedding.bases or self.ready(embedding.levels), attended.image_index)


def stable(logits: Float[Tensor, " P *R"], delta: float, least: float) -> Bool[Tensor, " P"]:
    """Whether a mask hardly changes when its threshold moves by `delta`: at least this share of its pixels stays."""
    flat = logits.flatten(1)
    # Parts of the picture, not counts, and no casts: float16 converters of ONNX files manage neither.
    # `sign` of `relu` is 1 above the level, else 0, and takes a tenth of the time of `where`.
    inner, outer = ((flat - level).relu().sign().mean(1) for level in (delta, -delta))
    share = torch.where(outer > 0, inner / outer, torch.ones_like(outer))
    return share >= least


def row_for_each_prompt(parts: Sequence[Tensor], owner: Int64[Tensor, " P"]) -> tuple[Tensor, ...]:
    """A row of each tensor for every prompt; one row for all stays one."""
    return tuple(part if part.shape[0] == 1 else part[owner] for part in parts)


class MaskDecoder2HQ(HQMask, MaskDecoder2):
    """SAM 2's decoder with one more mask, the HQ mask, whose logits correct the others."""

    def __init__(self, *, dim: int, middle_dim: int, mask_dim: int, head_depth: int, **rest: Any) -> None:
        super().__init__(dim=dim, middle_dim=middle_dim, mask_dim=mask_dim, head_depth=head_depth, **rest)
        self.add_hq_mask(dim, middle_dim, mask_dim, head_depth)

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """The tokens of IoU, of masks, of HQ, and of the object score last."""
        tokens = super().output_tokens()
        return torch.cat([tokens[:-1], self.hf_token.weight, tokens[-1:]])
