"""The parts of transformers' models, to be called one by one with transformers' arguments, as training scripts do.

Each part is the model's own, with a `forward` besides. Knows nothing about files or whole models.

Source: modeling_sam.py and modeling_sam_hq.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.compat.transformers import prompts as given
from samhq.compat.transformers.outputs import VisionOutput
from samhq.compat.transformers.pretrained import refuse_keywords
from samhq.compat.transformers.vision import encode_pixels
from samhq.config import Candidates, HQMode
from samhq.errors import PromptError
from samhq.model import mask_decoder, mask_decoder_hq, prompt_encoder
from samhq.model.encoders import vit
from samhq.model.sam import Sam
from samhq.model.selection import select
from samhq.options import yes_or_no
from samhq.types import Encoded, ImageEmbedding, Sparse


class SeenPicture(Encoded):
    """The output of the vision encoder: the embedding [I,C,g,g] first, then the outputs of its global blocks."""

    @property
    def last_hidden_state(self) -> Float[Tensor, "I C g g"]:
        """The image embedding."""
        return self.features

    @property
    def intermediate_embeddings(self) -> list[Tensor]:
        """The outputs of the global blocks."""
        return list(self.levels)


class VisionEncoder(vit.ImageEncoderViT):
    """The image encoder."""

    def forward(  # type: ignore[override]
        self,
        pixel_values: Float[Tensor, "I 3 S S"],
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> SeenPicture | VisionOutput | tuple[Any, ...]:
        """The embedding of normalised pictures; `[0]` and `last_hidden_state` are the same.

        With `output_hidden_states` or a `return_dict` the output is that of `SamVisionModel`.

        Raises:
            ConfigError: `output_attentions`.
        """
        refuse_keywords({}, output_attentions, ())
        if not output_hidden_states and return_dict is None:
            return SeenPicture(*super().forward(pixel_values))
        features, early, states = encode_pixels(self, pixel_values, bool(output_hidden_states))
        output = VisionOutput(features, self._shown(early), states)
        return output if return_dict in (None, True) else output.to_tuple()

    def _shown(self, early: list[Tensor]) -> list[Tensor] | None:
        """The global blocks' outputs to return, or None."""
        return None


class VisionEncoderHQ(VisionEncoder):
    """SAM-HQ's image encoder."""

    def _shown(self, early: list[Tensor]) -> list[Tensor] | None:
        return early


class PromptEncoder(prompt_encoder.PromptEncoder):
    """The prompt encoder."""

    def forward(
        self,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I *boxes 4"] | None = None,
        input_masks: Float[Tensor, "I m G G"] | None = None,
    ) -> tuple[Float[Tensor, "I P T C"] | None, Float[Tensor, "i C g g"]]:
        """Tokens of points and boxes (None if there are neither), and the map to add to the image embedding.

        Padding tokens are zero. The map is one for each image, or for each prompt if `input_masks` has one for each.

        Raises:
            PromptError: as for the whole model's `forward`.
        """
        first = next((x for x in (input_points, input_boxes, input_masks) if x is not None), None)
        images, device = 1 if first is None else len(first), self.no_mask_embed.weight.device
        batch = given.flatten_nested(images, self.grid, device, input_points, input_labels, input_boxes, input_masks)
        tokens = self.sparse(batch.prompts).tokens
        masks = None if input_masks is None else input_masks.to(device).flatten(0, 1)[:, None]
        dense = self.dense(masks).expand(-1 if masks is not None else images, -1, self.grid, self.grid)
        return (batch.fold(tokens) if tokens.shape[1] else None), dense


class MaskDecoder(mask_decoder.MaskDecoder):
    """SAM's decoder."""

    def forward(
        self,
        image_embeddings: Float[Tensor, "I C g g"],
        image_positional_embeddings: Float[Tensor, "i C g g"],
        sparse_prompt_embeddings: Float[Tensor, "I P T C"] | None,
        dense_prompt_embeddings: Float[Tensor, "D C g g"],
        multimask_output: bool = True,
    ) -> tuple[Float[Tensor, "I P K w w"], Float[Tensor, "I P K"]]:
        """Logits and predicted IoU of the masks of each prompt: three with `multimask_output`, else one.

        `dense_prompt_embeddings` has one row for all prompts of an image, or one for each prompt.

        Raises:
            PromptError: numbers of images or prompts that do not agree.
        """
        candidates: Candidates = "all" if yes_or_no("multimask_output", multimask_output) else "single"
        embedding = ImageEmbedding(image_embeddings)
        prompts = (sparse_prompt_embeddings, dense_prompt_embeddings)
        return self.decoded(embedding, image_positional_embeddings, *prompts, candidates, "off")

    def decoded(
        self,
        embedding: ImageEmbedding,
        places: Tensor,
        sparse: Tensor | None,
        dense: Tensor,
        candidates: Candidates,
        hq: HQMode,
    ) -> tuple[Tensor, Tensor]:
        """The chosen masks of all prompts [I,P,K,...], with their predicted IoU."""
        images = len(embedding)
        tokens = embedding.features.new_zeros(images, 1, 0, embedding.features.shape[1]) if sparse is None else sparse
        per_image = tokens.shape[1]
        if len(tokens) != images or len(dense) not in (1, images, images * per_image):
            raise PromptError(
                f"Expected prompt embeddings of {images} images with {per_image} prompts each, got {len(tokens)} rows "
                f"of sparse_prompt_embeddings and {len(dense)} of dense_prompt_embeddings. Repeat them for each image."
            )
        index = torch.arange(images, device=tokens.device).repeat_interleave(per_image)
        maps = dense if len(dense) == images * per_image else dense.expand(images, -1, -1, -1)[index]
        image = embedding.features[index] + maps
        attended = self.attend(image, places[:1], Sparse(tokens.flatten(0, 1)), index)
        choice = select(attended.iou, candidates, hq)
        masks = self.paint(attended, embedding, choice)
        return masks.reshape(images, per_image, *masks.shape[1:]), choice.iou.reshape(images, per_image, -1)


class MaskDecoderHQ(MaskDecoder, mask_decoder_hq.MaskDecoderHQ):
    """SAM-HQ's decoder."""

    def forward(
        self,
        image_embeddings: Float[Tensor, "I C g g"],
        image_positional_embeddings: Float[Tensor, "i C g g"],
        sparse_prompt_embeddings: Float[Tensor, "I P T C"] | None,
        dense_prompt_embeddings: Float[Tensor, "D C g g"],
        multimask_output: bool = True,
        hq_token_only: bool = False,
        intermediate_embeddings: Sequence[Tensor] | None = None,
    ) -> tuple[Float[Tensor, "I P K w w"], Float[Tensor, "I P K"]]:
        """As `MaskDecoder.forward`, with the HQ mask's logits as in `SamHQModel.forward`.

        Raises:
            PromptError: as there, or no `intermediate_embeddings`.
        """
        if intermediate_embeddings is None or not len(intermediate_embeddings):
            raise PromptError(
                "Expected intermediate_embeddings, which the HQ mask needs, got none. Pass the vision encoder's."
            )
        several = yes_or_no("multimask_output", multimask_output)
        hq: HQMode = "only" if yes_or_no("hq_token_only", hq_token_only) else "add"
        features = self.image_features(image_embeddings, intermediate_embeddings[0]).to(image_embeddings.dtype)
        prompts = (sparse_prompt_embeddings, dense_prompt_embeddings)
        embedding = ImageEmbedding(image_embeddings, features)
        return self.decoded(embedding, image_positional_embeddings, *prompts, "sorted" if several else "single", hq)


def with_callable_parts(sam: Sam) -> Sam:
    """The same model; its parts can now be called with transformers' arguments."""
    hq = isinstance(sam.mask_decoder, mask_decoder_hq.MaskDecoderHQ)
    sam.image_encoder.__class__ = VisionEncoderHQ if hq else VisionEncoder
    sam.prompt_encoder.__class__ = PromptEncoder
    sam.mask_decoder.__class__ = MaskDecoderHQ if hq else MaskDecoder
    return sam
