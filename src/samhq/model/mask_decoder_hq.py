"""SAM-HQ's decoder: SAM's, one more token, and features that keep what is thin.

The HQ map of an image, made from the encoder's first level and its features, depends on no prompt and is
computed once an image. Knows nothing about prompts' kinds or how masks are chosen.

Source: Ke et al., Segment Anything in High Quality (arXiv 2306.01567), section 3.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.encoder_config import HQLevel
from samhq.model.layers import MLP, LayerNorm2d, Upscaler, untouched
from samhq.model.mask_decoder import MaskDecoder, product
from samhq.types import Attended, ImageEmbedding

#: What SAM-HQ adds to SAM, and the only part that its training changes.
HQ_MODULES = ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")


class HQMask(nn.Module):
    """What every HQ decoder has beside SAM's parts: a token, its MLP, and convolutions of the enlarged features."""

    masks: int

    def add_hq_mask(self, dim: int, middle_dim: int, mask_dim: int, head_depth: int) -> None:
        """Makes the parts."""
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP(dim, dim, mask_dim, head_depth)
        self.embedding_maskfeature = two_convolutions(mask_dim, middle_dim, mask_dim)

    def hq_weights(self, tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P 1 c"]:
        """The vector whose product with a pixel's features is its HQ logit."""
        return self.hf_mlp(tokens[:, 1 + self.masks])[:, None]

    def detailed(self, weights: Float[Tensor, "P 1 c"], upscaled: Float[Tensor, "P c G G"]) -> Float[Tensor, "P 1 G G"]:
        """Each prompt's weights times its own mask features, the features never made.

        They are the output of a convolution, and the product with them is linear: the weights go into the kernel,
        which then has one output channel in place of 32. That channel is painted tap by tap: a matrix product
        gives what every pixel sends in each of the nine directions, and the nine maps are added up, shifted.
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


class MaskDecoderHQ(HQMask, MaskDecoder):
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
        # The name is the published one, whatever encoder the features come from.
        self.compress_vit_feat = (
            Upscaler(early_dim, dim, mask_dim)
            if hq_level == "stride16"
            else two_convolutions(early_dim, middle_dim, mask_dim)
        )
        self.embedding_encoder = Upscaler(dim, middle_dim, mask_dim)

    def output_tokens(self) -> Float[Tensor, "L C"]:
        """IoU, masks, and the HQ token last: all before a prompt's own tokens."""
        return torch.cat([super().output_tokens(), self.hf_token.weight])

    def picture_modules(self) -> list[nn.Module]:
        """The modules whose weights enter what is computed once an image."""
        return [*super().picture_modules(), self.embedding_encoder, self.compress_vit_feat]

    def image_features(
        self, features: Float[Tensor, "I C g g"], early: Float[Tensor, "I h w e"]
    ) -> Float[Tensor, "I c G G"]:
        """The HQ map of each image, at four times the grid, from the encoder's features and its first level.

        `early` is at the grid and is enlarged ("stride16"), or at four times the grid already ("stride4").
        """
        return self.embedding_encoder(features) + self.compress_vit_feat(early.permute(0, 3, 1, 2))

    def logits(
        self, attended: Attended, embedding: ImageEmbedding, masks: Int64[Tensor, "P K"], hq: HQMode = "add"
    ) -> tuple[Float[Tensor, "P K G G"] | None, Float[Tensor, "P 1 G G"] | None]:
        """SAM's logits of the chosen masks and the HQ logits, each None where `hq` makes no use of it."""
        upscaled = self.upscaled(attended, embedding)
        sam = None if hq == "only" else product(self.weights(attended.tokens, masks), upscaled)
        if hq == "off":
            return sam, None
        assert embedding.hq is not None
        weights = self.hq_weights(attended.tokens)
        refined = self.detailed(weights, upscaled)
        return sam, refined + shared_product(weights, embedding.hq, attended.image_index)


def two_convolutions(dim: int, middle: int, out: int) -> nn.Sequential:
    """Two 3x3 convolutions at one resolution, with LayerNorm2d and GELU between."""
    return nn.Sequential(
        nn.Conv2d(dim, middle, kernel_size=3, padding=1),
        LayerNorm2d(middle),
        nn.GELU(),
        nn.Conv2d(middle, out, kernel_size=3, padding=1),
    )


def shifted_sum(taps: Float[Tensor, "P 9 H W"]) -> Float[Tensor, "P 1 H W"]:
    """What a 3x3 convolution with zero padding gives, from every pixel's product with each of its nine taps.

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
    """Each prompt's weights times the map of its image; one matrix product where there is one image."""
    if maps.shape[0] == 1:
        return (weights[:, 0] @ maps[0].flatten(1)).view(-1, 1, *maps.shape[-2:])
    return product(weights, maps[image_index])
