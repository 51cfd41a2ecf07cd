"""SAM 2's prompt encoder and mask decoder with the published `forward`, for scripts that call them (mostly to train).

Same attributes and state dict as the core's parts, and gradients flow.

Source: sam2/modeling/sam/prompt_encoder.py and mask_decoder.py of facebookresearch/sam2 and of sam-hq2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.compat.sam2.arrays import check_labels
from samhq.compat.sam2.refusals import RefusedPromptError
from samhq.config import HQMode
from samhq.model import prompt_encoder
from samhq.model.sam2 import mask_decoder
from samhq.model.sam2.sam2 import Sam2
from samhq.model.selection import select
from samhq.types import Attended, Choice, ImageEmbedding, Prompts, Sparse

#: Masks, predicted IoU, tokens for object pointers, object scores.
Decoded = tuple[Float[Tensor, "B K G G"], Float[Tensor, "B K"], Float[Tensor, "B k C"], Float[Tensor, "B 1"]]


class PromptEncoder(prompt_encoder.PromptEncoder):
    """Prompts in model pixels to sparse tokens [B,T,C] and dense maps [B,C,g,g]."""

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: Tensor | None = None,
        masks: Float[Tensor, "B 1 G G"] | None = None,
    ) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "B C g g"]]:
        """Sparse tokens and dense maps of B prompts; with no prompt at all B is 1 and T is 0.

        `points` is (coordinates [B,N,2], labels [B,N]), `boxes` [B,4] or [B,2,2].

        Raises:
            RefusedPromptError: unequal numbers of prompts, or unknown labels.
        """
        coords, labels = (None, None) if points is None else (points[0].float(), points[1].long())
        corners = None if boxes is None else boxes.float().reshape(-1, 4)
        counts = {len(given) for given in (coords, labels, corners, masks) if given is not None} or {1}
        if len(counts) > 1:
            raise RefusedPromptError(
                f"Expected equally many points, labels, boxes and masks, got {sorted(counts)}. Repeat the rows."
            )
        if labels is not None:
            check_labels(labels)
        count = counts.pop()
        prompts = Prompts(torch.zeros(count, dtype=torch.int64), coords, labels, corners, masks)
        prompts = prompts.to(self.no_mask_embed.weight.device)
        places, kinds = prompt_encoder.tokens_of(prompts)
        dense = self.dense(prompts.masks)
        return self.embed_places(places, kinds), dense.expand(count, -1, self.grid, self.grid)


class MaskDecoder(mask_decoder.MaskDecoder2):
    """SAM 2's decoder. The attributes are the rule for single masks; it holds in eval mode, as in the original."""

    dynamic_multimask_via_stability = True
    dynamic_multimask_stability_delta = 0.05
    dynamic_multimask_stability_thresh = 0.98

    def forward(
        self,
        image_embeddings: Float[Tensor, "I C g g"],
        image_pe: Float[Tensor, "1 C g g"],
        sparse_prompt_embeddings: Float[Tensor, "B T C"],
        dense_prompt_embeddings: Float[Tensor, "B C g g"],
        multimask_output: bool,
        repeat_image: bool,
        high_res_features: Sequence[Tensor] | None = None,
        *,
        hq_token_only: bool = False,
    ) -> Decoded:
        """Logits [B,K,4g,4g], predicted IoU [B,K], tokens [B,K,C] and object scores [B,1]; K is 3, or 1.

        With `repeat_image` one image serves all prompts, otherwise each prompt has its own. `high_res_features` are the
        two finer maps of the images, finest first. HQ decoders add the HQ mask; `hq_token_only` gives it alone.

        Raises:
            RefusedPromptError: numbers of images and prompts that do not fit, or no finer maps.
        """
        images, count = len(image_embeddings), len(sparse_prompt_embeddings)
        if images != (1 if repeat_image else count) or high_res_features is None or len(high_res_features) != 2:
            raise RefusedPromptError(
                f"Expected one image with repeat_image, else one for each of {count} prompts, and two "
                f"high_res_features, got {images} and {len(high_res_features or ())}. Repeat the image, or pass "
                "repeat_image=True."
            )
        owner = torch.arange(count, device=image_embeddings.device) % images
        image = image_embeddings[owner] + dense_prompt_embeddings
        attended = self.attend(image, image_pe, Sparse(sparse_prompt_embeddings), owner)
        embedding = ImageEmbedding(image_embeddings, levels=tuple(high_res_features))
        choice = self._choice(attended, embedding, multimask_output, hq_token_only)
        tokens = attended.tokens[:, 2:5] if multimask_output else attended.tokens[:, 1:2]
        return self.paint(attended, embedding, choice), choice.iou, tokens, self.object_score(attended.tokens)

    def _choice(self, attended: Attended, embedding: ImageEmbedding, multimask: bool, hq_only: bool) -> Choice:
        mode: HQMode = ("only" if hq_only else "add") if isinstance(self, mask_decoder.MaskDecoder2HQ) else "off"
        choice = select(attended.iou, "all" if multimask else "single", mode)
        if multimask or self.training or not self.dynamic_multimask_via_stability:
            return choice
        return self.steadied(
            attended,
            embedding,
            choice,
            delta=self.dynamic_multimask_stability_delta,
            least=self.dynamic_multimask_stability_thresh,
        )


class MaskDecoderHQ(MaskDecoder, mask_decoder.MaskDecoder2HQ):
    """HQ-SAM 2's decoder: SAM 2's masks plus the HQ mask."""


#: The classes with the published interface, by the core's.
_FACES: dict[type[nn.Module], type[nn.Module]] = {
    prompt_encoder.PromptEncoder: PromptEncoder,
    mask_decoder.MaskDecoder2: MaskDecoder,
    mask_decoder.MaskDecoder2HQ: MaskDecoderHQ,
}


def with_published_parts(model: Sam2) -> Sam2:
    """The same model; its prompt encoder and mask decoder can now be called as the published ones."""
    parts: tuple[nn.Module, ...] = (model.sam_prompt_encoder, model.sam_mask_decoder)
    for part in parts:
        part.__class__ = _FACES.get(type(part), type(part))
    return model
