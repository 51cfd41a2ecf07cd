"""SAM-HQ's decoder: SAM's, with one more token and features that keep thin structures.

The HQ map of an image, made from the encoder's first level and its features, does not depend on prompts and is computed
once for each image. Knows nothing about kinds of prompts or how masks are chosen.

Source: Ke et al., Segment Anything in High Quality (arXiv 2306.01567), section 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.encoder_config import HQLevel
from samhq.model.layers import LayerNorm2d, Upscaler, untouched
from samhq.model.linear import MLP
from samhq.model.mask_decoder import MaskDecoder, product
from samhq.types import Attended, ImageEmbedding

#: The modules that SAM-HQ adds to SAM, and the only ones that its training changes.
HQ_MODULES = ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")


class HQMask(MaskDecoder):
    """The common part of HQ decoders: a token, its MLP, and convolutions of the enlarged features."""

    def add_hq_mask(self, dim: int, middle_dim: int, mask_dim: int, head_depth: int) -> None:
        """Creates these modules."""
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP(dim, dim, mask_dim, head_depth)
        self.embedding_maskfeature = two_convolutions(mask_dim, middle_dim, mask_dim)

    def hq_weights(self, tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P 1 c"]:
        """The vector whose product with a pixel's features is the pixel's HQ logit."""
        return self.hf_mlp(tokens[:, 1 + self.masks])[:, None]

    def logits(
        self,
        attended: Attended,
        embedding: ImageEmbedding,
        masks: Int64[Tensor, "P K"],
        hq: HQMode = "add",
        known: Float[Tensor, "P K G G"] | Float[Tensor, "P K L"] | None = None,
    ) -> tuple[Float[Tensor, "P K G G"] | None, Float[Tensor, "P 1 G G"] | None]:
        """SAM's logits of the chosen masks and the HQ logits; either is None if `hq` does not use it."""
        if hq == "off":
            return self.sam_logits(attended, embedding, masks, known), None
        attended = replace(attended, upscaled=self.upscaled(attended, embedding))
        sam = None if hq == "only" else self.sam_logits(attended, embedding, masks, known)
        return sam, self.hq_logits(self.hq_weights(attended.tokens), attended, embedding)

    def hq_logits(
        self, weights: Float[Tensor, "P 1 c"], attended: Attended, embedding: ImageEmbedding
    ) -> Float[Tensor, "P 1 G G"]:
        """The HQ logits, from the features that `attended` has in `upscaled`."""
        del embedding
        assert attended.upscaled is not None
        return self.detailed(weights, attended.upscaled)

    def detailed(self, weights: Float[Tensor, "P 1 c"], upscaled: Float[Tensor, "P c G G"]) -> Float[Tensor, "P 1 G G"]:
        """The product of each prompt's weights with its own mask features, without computing these features.

        The features are the output of a convolution, and the product is linear. So the weights are multiplied into the
        kernel, which then has one output channel instead of 32. That channel is computed by taps: a matrix product
        gives each pixel's contribution in each of the nine directions, and the nine maps are shifted and added.
        """
        convolutions = self.embedding_maskfeature
        if not (untouched(convolutions, nn.Sequential) and untouched(convolutions[-1], nn.Conv2d)):
            return product(weights, convolutions(upscaled))
        last, (height, width) = convolutions[-1], upscaled.shape[-2:]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        pixels = convolutions[:-1](upscaled).permute(0, 2, 3, 1).flatten(1, 2)
        kernel = (weights[:, 0] @ last.weight.flatten(1)).view(-1, last.in_channels, 9)
        taps = (pixels @ kernel).mT.view(-1, 9, height, width)
        return shifted_sum(taps) + (weights @ last.bias)[..., None, None]


class MaskDecoderHQ(HQMask):
    """Four masks as SAM's, and one HQ mask whose logits correct them."""

    def __init__(
        self,
        *,
        dim: int,
        middle_dim: int,
        mask_dim: int,
        head_depth: int,
        early_dim: int,
        hq_level: HQLevel,
        **rest: Any,
    ) -> None:
        super().__init__(dim=dim, middle_dim=middle_dim, mask_dim=mask_dim, head_depth=head_depth, **rest)
        self.hq_level = hq_level
        self.add_hq_mask(dim, middle_dim, mask_dim, head_depth)
        # The published name, whatever encoder the features come from.
        self.compress_vit_feat = (
            Upscaler(early_dim, dim, mask_dim)
            if hq_level == "stride16"
            else two_convolutions(early_dim, middle_dim, mask_dim)
        )
        self.embedding_encoder = Upscaler(dim, middle_dim, mask_dim)

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """The tokens of IoU, of masks, and of HQ last: all before a prompt's own tokens."""
        return torch.cat([super().output_tokens(), self.hf_token.weight])

    def picture_modules(self) -> list[nn.Module]:
        """The modules whose weights enter what is computed once an image."""
        return [*super().picture_modules(), self.embedding_encoder, self.compress_vit_feat]

    def image_features(
        self, features: Float[Tensor, "I C g g"], early: Float[Tensor, "I h w e"]
    ) -> Float[Tensor, "I c G G"]:
        """The HQ map of each image, at four times the grid, from the encoder's features and its first level.

        `early` is at the grid and is enlarged ("stride16"), or is already at four times the grid ("stride4").
        """
        return self.embedding_encoder(features) + self.compress_vit_feat(early.permute(0, 3, 1, 2))

    def hq_logits(
        self, weights: Float[Tensor, "P 1 c"], attended: Attended, embedding: ImageEmbedding
    ) -> Float[Tensor, "P 1 G G"]:
        """The HQ logits: each prompt's own part and that of its image's HQ map."""
        assert embedding.hq is not None
        return super().hq_logits(weights, attended, embedding) + shared_product(
            weights, embedding.hq, attended.image_index
        )


def two_convolutions(dim: int, middle: int, out: int) -> nn.Sequential:
    """Two 3x3 convolutions at one resolution, with LayerNorm2d and GELU between."""
    return nn.Sequential(
        nn.Conv2d(dim, middle, kernel_size=3, padding=1),
        LayerNorm2d(middle),
        nn.GELU(),
        nn.Conv2d(middle, out, kernel_size=3, padding=1),
    )


def shifted_sum(taps: Float[Tensor, "P 9 H W"]) -> Float[Tensor, "P 1 H W"]:
    """The result of a 3x3 convolution with zero padding, from every pixel's products with its nine taps.

    >>> shifted_sum(torch.eye(9)[5].expand(1, 2, 2, 9).permute(0, 3, 1, 2)).tolist()
    [[[[1.0, 0.0], [1.0, 0.0]]]]
    """
    height, width = taps.shape[-2:]
    padded = F.pad(taps, (1, 1, 1, 1))
    total = padded[:, 0, :height, :width]
    for tap in range(1, 9):
        down, right = divmod(tap, 3)
        total = total + padded[:, tap, down : down + height, right : right + width]
    return total[:, None]


def shared_product(
    weights: Float[Tensor, "P 1 c"], maps: Float[Tensor, "I c G G"], image_index: Int64[Tensor, " P"]
) -> Float[Tensor, "P 1 G G"]:
    """The product of each prompt's weights with the map of its image; one matrix product if there is one image."""
    if maps.shape[0] == 1:
        return (weights[:, 0] @ maps[0].flatten(1)).view(-1, 1, *maps.shape[-2:])
    return product(weights, maps[image_index])
