"""SAM-HQ's decoder: SAM's, one more token, and features that keep what is thin.

The HQ map of an image, made from the encoder's first global block and its output, depends on no prompt and is
computed once an image. Knows nothing about prompts' kinds or how masks are chosen.

Source: Ke et al., Segment Anything in High Quality (arXiv 2306.01567), section 3.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.model.layers import MLP, LayerNorm2d, upscaler
from samhq.model.mask_decoder import MaskDecoder, product
from samhq.types import Attended, ImageEmbedding

#: What SAM-HQ adds to SAM, and the only part that its training changes.
HQ_MODULES = ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")


class MaskDecoderHQ(MaskDecoder):
    """Four masks as SAM's, and one HQ mask whose logits correct them."""

    def __init__(self, *, dim: int, early_dim: int, **rest: Any) -> None:
        super().__init__(dim=dim, **rest)
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP(dim, dim, dim // 8, 3)
        self.compress_vit_feat = upscaler(early_dim, dim, dim // 8)
        self.embedding_encoder = upscaler(dim, dim // 4, dim // 8)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(dim // 8, dim // 4, kernel_size=3, padding=1),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.Conv2d(dim // 4, dim // 8, kernel_size=3, padding=1),
        )

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """IoU, masks, and the HQ token last: all before a prompt's own tokens."""
        return torch.cat([super().output_tokens(), self.hf_token.weight])

    def image_features(
        self, features: Float[Tensor, "I C g g"], early: Float[Tensor, "I g g e"]
    ) -> Float[Tensor, "I c G G"]:
        """The HQ map of each image, at four times the grid."""
        return self.embedding_encoder(features) + self.compress_vit_feat(early.permute(0, 3, 1, 2))

    def logits(
        self, attended: Attended, embedding: ImageEmbedding, masks: Int64[Tensor, "P K"], hq: HQMode = "add"
    ) -> tuple[Float[Tensor, "P K G G"] | None, Float[Tensor, "P 1 G G"] | None]:
        """SAM's logits of the chosen masks and the HQ logits, each None where `hq` makes no use of it."""
        upscaled = self.output_upscaling(attended.image)
        sam = None if hq == "only" else product(self.weights(attended.tokens, masks), upscaled)
        if hq == "off":
            return sam, None
        assert embedding.hq is not None
        weights = self.hf_mlp(attended.tokens[:, 1 + self.masks])[:, None]
        refined = product(weights, self.embedding_maskfeature(upscaled))
        return sam, refined + shared_product(weights, embedding.hq, attended.image_index)


def shared_product(
    weights: Float[Tensor, "P 1 c"], maps: Float[Tensor, "I c G G"], image_index: Int64[Tensor, " P"]
) -> Float[Tensor, "P 1 G G"]:
    """Each prompt's weights times the map of its image; one matrix product where there is one image."""
    if maps.shape[0] == 1:
        return (weights[:, 0] @ maps[0].flatten(1)).view(-1, 1, *maps.shape[-2:])
    return product(weights, maps[image_index])
