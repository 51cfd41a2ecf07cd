"""The network's parts with the published `forward`, for scripts that call them one by one (mostly for training).

Same attributes and state dict as the core's parts, and gradients flow. Plain SAM's encoders return the feature tensor,
as segment-anything's do; SAM-HQ's return (features, early features), as SAM-HQ's do.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float, Shaped
from torch import Tensor

from samhq.compat.segment_anything.prompts import flat_prompts, owners
from samhq.compat.segment_anything.refusals import RefusedPromptError
from samhq.config import Candidates, HQMode
from samhq.errors import ConfigError
from samhq.model import mask_decoder, mask_decoder_hq, prompt_encoder
from samhq.model.encoders import tiny_vit, vit
from samhq.model.selection import select
from samhq.options import yes_or_no
from samhq.types import Attended, ImageEmbedding, Shared, Sparse


class ImageEncoderViT(vit.ImageEncoderViT):
    """SAM-HQ's encoder: pixels [I,3,S,S] to features [I,C,g,g] and every global block's output [I,g,g,dim]."""

    @property
    def img_size(self) -> int:
        """Side of the square that it sees, in pixels."""
        return self.side

    def forward(self, pixels: Float[Tensor, "I 3 S S"]) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """Features and early features."""
        features, levels = super().forward(pixels)
        return features, list(levels)


class TinyViT(tiny_vit.TinyViT):
    """Light HQ-SAM's encoder: pixels [I,3,S,S] to features [I,C,g,g] and a list of one early map [I,g,g,160]."""

    @property
    def img_size(self) -> int:
        """Side of the square that it sees, in pixels."""
        return self.side

    def forward(self, pixels: Float[Tensor, "I 3 S S"]) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """Features and early features."""
        features, levels = super().forward(pixels)
        return features, list(levels)


class PlainImageEncoderViT(ImageEncoderViT):
    """SAM's encoder: pixels to the features alone."""

    def forward(self, pixels: Float[Tensor, "I 3 S S"]) -> Float[Tensor, "I C g g"]:  # type: ignore[override]
        """The features."""
        return super().forward(pixels)[0]


class PlainTinyViT(TinyViT):
    """MobileSAM's encoder: pixels to the features alone."""

    def forward(self, pixels: Float[Tensor, "I 3 S S"]) -> Float[Tensor, "I C g g"]:  # type: ignore[override]
        """The features."""
        return super().forward(pixels)[0]


class PromptEncoder(prompt_encoder.PromptEncoder):
    """Prompts in model pixels to sparse tokens [B,T,C] and dense maps [B,C,g,g]."""

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: Shaped[Tensor, "B *one 4"] | None = None,
        masks: Shaped[Tensor, "M 1 G G"] | None = None,
    ) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "B C g g"]]:
        """Sparse tokens and dense maps of B prompts; with no prompt at all B is 1 and T is 0.

        `points` is (coordinates [B,N,2], labels [B,N]).

        Raises:
            RefusedPromptError: as `samhq.compat.segment_anything.prompts.flat_prompts`.
        """
        coords, labels = (None, None) if points is None else points
        device = self.no_mask_embed.weight.device
        prompts = flat_prompts(coords, labels, boxes, masks, images=1, mask_side=4 * self.grid, device=device)
        dense = self.dense(prompts.masks)
        return self.sparse(prompts).tokens, dense.expand(len(prompts), -1, self.grid, self.grid)


class MaskDecoder(mask_decoder.MaskDecoder):
    """SAM's decoder: three masks for each prompt with `multimask_output`, else one."""

    def forward(
        self,
        image_embeddings: Float[Tensor, "I C g g"],
        image_pe: Float[Tensor, "1 C g g"],
        sparse_prompt_embeddings: Float[Tensor, "S T C"],
        dense_prompt_embeddings: Float[Tensor, "D C g g"],
        multimask_output: bool,
        hq_token_only: bool = False,
        interm_embeddings: Sequence[Tensor] | Tensor | None = None,
    ) -> tuple[Float[Tensor, "P K G G"], Float[Tensor, "P K"]]:
        """Low-resolution logits and predicted IoU. One image serves all prompts; several images need one prompt each.

        A single row of prompts likewise serves every image; no rows give no masks. `interm_embeddings`, the encoder's
        second output, is for HQ decoders, which read only the first map [I,g,g,D].

        Raises:
            RefusedPromptError: numbers of rows that are neither equal nor one.
            ConfigError: `hq_token_only` without HQ heads, or HQ heads without `interm_embeddings`.
        """
        choice_of = selection_for(isinstance(self, MaskDecoderHQ), multimask_output, hq_token_only)
        embedding = self.embedding(image_embeddings, interm_embeddings)
        if 0 in (len(sparse_prompt_embeddings), len(dense_prompt_embeddings)):
            none = select(image_embeddings.new_zeros(0, self.masks), *choice_of).iou
            return none.new_zeros(*none.shape, *(4 * side for side in image_embeddings.shape[2:])), none
        attended = self.meet(image_embeddings, image_pe, sparse_prompt_embeddings, dense_prompt_embeddings)
        choice = select(attended.iou, *choice_of)
        return self.paint(attended, embedding, choice), choice.iou

    def embedding(self, features: Tensor, early: Sequence[Tensor] | Tensor | None) -> ImageEmbedding:
        """The embedding from the image features; plain SAM does not use `early`."""
        del early
        return ImageEmbedding(features)

    def meet(self, features: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor) -> Attended:
        """Prompts after attention with their images; single rows are repeated."""
        count = _rows(len(features), len(sparse), len(dense))
        index = owners(len(features), count, features.device)
        # Prompts without a mask share one dense map (see PromptEncoder.forward): then images are projected once.
        if self.shares and (len(dense) == 1 or dense.stride(0) == 0):
            image: Tensor | Shared = self.share(features + dense[:1], image_pe)[index]
        else:
            image = (features + dense).expand(count, -1, -1, -1)
        return self.attend(image, image_pe, Sparse(sparse.expand(count, -1, -1)), index)


class MaskDecoderHQ(MaskDecoder, mask_decoder_hq.MaskDecoderHQ):
    """SAM-HQ's decoder: one mask a prompt (`multimask_output`: the best of three), corrected by the HQ logits."""

    def embedding(self, features: Tensor, early: Sequence[Tensor] | Tensor | None) -> ImageEmbedding:
        """The images with their HQ maps."""
        if early is None or not len(early):
            raise ConfigError(
                "Expected interm_embeddings for a decoder with HQ heads, got none. "
                "Pass on the second output of image_encoder, or SamPredictor.interm_features."
            )
        scale = 4 if self.hq_level == "stride4" else 1
        height, width = (scale * size for size in features.shape[2:])
        if early[0].shape[:3] != (len(features), height, width):
            raise RefusedPromptError(
                f"Expected interm_embeddings[0] of shape [{len(features)}, {height}, {width}, channels], as "
                f"image_embeddings says, got {list(early[0].shape)}. Give a list of the encoder's maps."
            )
        # Under autocast the map has a shorter type than the weights that use it later.
        return ImageEmbedding(features, self.image_features(features, early[0]).to(features.dtype))


def selection_for(hq_model: bool, multimask_output: bool, hq_token_only: bool) -> tuple[Candidates, HQMode]:
    """The selection for the published arguments: plain SAM's three masks become the best one for HQ models.

    >>> selection_for(True, True, False), selection_for(False, True, False), selection_for(True, False, True)
    (('best', 'add'), ('all', 'off'), ('single', 'only'))

    Raises:
        ConfigError: `hq_token_only` of a plain SAM.
    """
    multimask_output = yes_or_no("multimask_output", multimask_output)
    hq_token_only = yes_or_no("hq_token_only", hq_token_only)
    if hq_token_only and not hq_model:
        raise ConfigError(
            "Expected hq_token_only=False for a plain SAM, got True: it has no HQ token. "
            "Take the model from sam_model_registry, or leave hq_token_only out."
        )
    if not hq_model:
        return ("all" if multimask_output else "single"), "off"
    return ("best" if multimask_output else "single"), ("only" if hq_token_only else "add")


def _rows(images: int, sparse: int, dense: int) -> int:
    """The number of prompts; all counts other than one must agree."""
    counts = {count for count in (images, sparse, dense) if count != 1}
    if len(counts) > 1:
        raise RefusedPromptError(
            f"Expected equal numbers of rows, or one row for all, got {images} of image_embeddings, {sparse} of "
            f"sparse_prompt_embeddings and {dense} of dense_prompt_embeddings. Repeat each image's row once for each "
            "of its prompts."
        )
    return counts.pop() if counts else 1
