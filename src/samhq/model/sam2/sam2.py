"""SAM 2 and HQ-SAM 2: SAM with a Hiera, a decoder that uses finer maps, and memory for videos.

Every method of `Sam` works here, too. The state dict has the original checkpoints' layout.

Source: Ravi et al., SAM 2 (arXiv 2408.00714); the folder sam-hq2 of SysCV/sam-hq.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import Candidates, HQMode, ModelConfig
from samhq.model.prompt_encoder import PromptEncoder
from samhq.model.sam import Sam
from samhq.model.sam2.mask_decoder import MaskDecoder2
from samhq.model.sam2.memory import Remembering
from samhq.types import Attended, Choice, Encoded, ImageEmbedding, LowRes, Prompts

ABSENT = -1024.0  #: The logits of an object that is not visible on a frame.


@dataclass(frozen=True)
class Followed:
    """The decoder's output for P objects on one frame: all candidates, the chosen one, and what to remember.

    Logits are above 0 on the object, and `ABSENT` if its score is not above 0.
    """

    candidates: Float[Tensor, "P K G G"]
    iou: Float[Tensor, "P K"]
    logits: Float[Tensor, "P 1 G G"]
    pointer: Float[Tensor, "P C"]
    object_score: Float[Tensor, "P 1"]


class Sam2(Remembering, Sam):
    """SAM 2, 2.1 or HQ-SAM 2; `steady` is the rule that replaces an unstable single mask by the best of three."""

    def __init__(
        self,
        config: ModelConfig,
        image_encoder: nn.Module,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder2,
    ) -> None:
        nn.Module.__init__(self)
        self.config = config
        dim = config.decoder.dim
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.image_encoder = image_encoder
        self.sam_prompt_encoder = prompt_encoder
        self.sam_mask_decoder = mask_decoder
        #: A single mask is stable if its pixels above +0.05 are at least this share of those above -0.05; None: always.
        self.stable_from: float | None = 0.98
        self.stable_delta = 0.05
        if config.memory is not None:
            self.add_memory(config.memory, dim)

    @property
    def prompt_encoder(self) -> PromptEncoder:  # type: ignore[override]
        """Points, boxes and masks to vectors."""
        return self.sam_prompt_encoder

    @property
    def mask_decoder(self) -> MaskDecoder2:  # type: ignore[override]
        """Tokens and image to masks."""
        return self.sam_mask_decoder

    def encode(self, pixels: Float[Tensor, "I 3 S S"], *, keep_early: bool = False) -> ImageEmbedding:
        """The embedding of normalised pictures, for any number of prompts.

        Raises:
            ConfigError: pixels of another shape.
        """
        raw = self.encode_raw(pixels)
        return ImageEmbedding(self.without_memory(raw.features), levels=raw.levels)

    def encode_raw(self, pixels: Float[Tensor, "I 3 S S"]) -> ImageEmbedding:
        """As `encode`, but with the encoder's features, to which memory can be added.

        Raises:
            ConfigError: pixels of another shape.
        """
        self.check_pixels(pixels)
        encoded: Encoded = self.image_encoder(pixels.to(self.dtype))
        levels = tuple(level.to(self.dtype) for level in self.mask_decoder.levels(*encoded.levels))
        return ImageEmbedding(encoded.features.to(self.dtype), levels=levels)

    def prepared(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """As `Sam.prepared`; also with `bases`, the finer maps as the decoder adds them."""
        embedding = super().prepared(embedding)
        if embedding.bases or not embedding.levels:
            return embedding
        return replace(embedding, bases=self.mask_decoder.ready(embedding.levels))

    def without_memory(self, features: Float[Tensor, "I C g g"]) -> Float[Tensor, "I C g g"]:
        """Features of a picture, or of a frame without earlier memory."""
        return features + self.no_mem_embed.view(1, -1, 1, 1)

    def choose(
        self, attended: Attended, embedding: ImageEmbedding, candidates: Candidates, hq: HQMode
    ) -> tuple[Attended, Choice]:
        """Which masks to compute, and their features; the best of the other three replaces an unstable single mask."""
        attended, choice = super().choose(attended, embedding, candidates, hq)
        if candidates != "single" or self.stable_from is None or self.training or attended.iou.shape[1] == 1:
            return attended, choice
        if hq != "off":
            attended = replace(attended, upscaled=self.mask_decoder.upscaled(attended, embedding))
        rule = {"delta": self.stable_delta, "least": self.stable_from}
        return attended, self.mask_decoder.steadied(attended, embedding, choice, **rule)

    def follow(
        self, embedding: ImageEmbedding, prompts: Prompts, *, multimask: bool, hq: HQMode | None = None
    ) -> Followed:
        """The decoder's output for objects of one frame; `embedding.features` has one row for each object.

        With `multimask` the candidate with the highest predicted IoU is chosen; without it there is only one. The
        pointer is made from the chosen mask's token; for a single mask from its own token, even if it was unstable.
        """
        mode = self.hq_mode(hq)
        attended = self.attend(embedding, prompts)
        score = self.mask_decoder.object_score(attended.tokens)
        attended, choice = self.choose(attended, embedding, "all" if multimask else "single", mode)
        low = LowRes(self.mask_decoder.paint(attended, embedding, choice).to(self.dtype), choice.iou)
        logits = torch.where(
            score[..., None, None] > 0, low.logits.float(), torch.full_like(score, ABSENT)[..., None, None]
        )
        best = low.iou.argmax(1)
        rows = torch.arange(len(best), device=best.device)
        tokens = attended.tokens[:, 1:]
        token = tokens[rows, 1 + best] if multimask else tokens[:, 0]
        return Followed(logits, low.iou, logits[rows, best][:, None], self.pointer(token, score), score)
