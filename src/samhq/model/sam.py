"""The whole network: pixels to an embedding, an embedding and prompts to low-resolution masks.

Knows nothing about files, numpy or the size of the user's picture. No call keeps state.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import Candidates, HQMode, ModelConfig
from samhq.errors import ConfigError, PromptError
from samhq.model.mask_decoder import MaskDecoder
from samhq.model.mask_decoder_hq import MaskDecoderHQ
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.selection import select
from samhq.types import Attended, ImageEmbedding, LowRes, Prompts


class Sam(nn.Module):
    """SAM or SAM-HQ with any encoder. The state dict has the original checkpoints' layout."""

    def __init__(
        self, config: ModelConfig, image_encoder: nn.Module, prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder
    ) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prompt_encoder.no_mask_embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored in; positions are float32 whatever this is."""
        return self.prompt_encoder.no_mask_embed.weight.dtype

    def encode(self, pixels: Float[Tensor, "I 3 S S"], *, keep_early: bool = False) -> ImageEmbedding:
        """What the network knows about normalised pictures, for any number of prompts.

        `keep_early` also returns the early features, which only training needs.

        Raises:
            ConfigError: pixels of another shape.
        """
        self.check_pixels(pixels)
        features, early = self.image_encoder(pixels.to(self.dtype))
        return self.embed(features, early[0], keep_early=keep_early)

    def check_pixels(self, pixels: Tensor) -> None:
        """Nothing, when these are pictures of the model's size.

        Raises:
            ConfigError: pixels of another shape.
        """
        side = self.config.side
        if pixels.ndim != 4 or pixels.shape[1:] != (3, side, side):
            raise ConfigError(
                f"{self.config.name} expects pixels of shape (images, 3, {side}, {side}), got {tuple(pixels.shape)}. "
                "Bring pictures to that size with samhq.image.transform.to_pixels."
            )

    def embed(
        self, features: Float[Tensor, "I C g g"], early: Float[Tensor, "I g g e"], *, keep_early: bool = False
    ) -> ImageEmbedding:
        """The embedding made of an encoder's two outputs; for HQ models with the image-level HQ map."""
        hq = None
        if isinstance(self.mask_decoder, MaskDecoderHQ):
            hq = self.mask_decoder.image_features(features, early)
        return ImageEmbedding(features, hq, early if keep_early else None)

    def attend(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
        target: Float[Tensor, "#P #L C"] | None = None,
    ) -> Attended:
        """Prompts after they met their images, with the predicted IoU of every mask, nothing painted yet."""
        index = prompts.image_index
        dense = self.prompt_encoder.dense(prompts.masks)
        if prompts.masks is None:
            image, owner = embedding.features + dense, index
        else:
            image, owner = embedding.features[index] + dense, None
        return self.mask_decoder.attend(
            image,
            self.prompt_encoder.get_dense_pe(),
            self.prompt_encoder.sparse(prompts),
            index,
            owner=owner,
            similarity=similarity,
            target=target,
        )

    def hq_mode(self, hq: HQMode | None) -> HQMode:
        """The mode to use: what was asked, or by default "add" for HQ models and "off" for others.

        Raises:
            ConfigError: an HQ mask was asked of a model that has no HQ heads.
        """
        if hq is None:
            return "add" if self.config.hq else "off"
        if hq != "off" and not self.config.hq:
            raise ConfigError(
                f"hq={hq!r} needs a model with HQ heads, but {self.config.name} is a plain SAM. "
                'Load an HQ model such as "sam_hq_vit_b", or leave hq out.'
            )
        return hq

    def decode(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        candidates: Candidates = "single",
        hq: HQMode | None = None,
        batch: int = 16,
    ) -> LowRes:
        """Low-resolution masks for every prompt; `batch` prompts are painted at a time.

        Raises:
            ConfigError: `hq` asks for what the model does not have.
            PromptError: a prompt belongs to no image of the embedding.
        """
        mode = self.hq_mode(hq)
        if not len(prompts):
            raise PromptError("Expected at least one prompt, got none. Give points, boxes or masks.")
        if int(prompts.image_index.max()) >= len(embedding) or int(prompts.image_index.min()) < 0:
            raise PromptError(
                f"Expected image_index in 0..{len(embedding) - 1}, got {prompts.image_index.tolist()}. "
                "Each prompt must name one of the embedding's images."
            )
        parts = []
        for start in range(0, len(prompts), batch):
            attended = self.attend(embedding, prompts[start : start + batch])
            choice = select(attended.iou, candidates, mode)
            parts.append(LowRes(self.mask_decoder.paint(attended, embedding, choice), choice.iou))
        return parts[0] if len(parts) == 1 else LowRes.cat(parts)
