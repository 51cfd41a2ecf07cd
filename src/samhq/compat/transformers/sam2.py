"""transformers' Sam2Model: pictures and prompts as tensors in, low-resolution logits out.

A thin interface to `model/sam2`. Padding points are masked out of attention; in transformers they take part.

Source: modeling_sam2.py of transformers 5.23 (arguments and outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from samhq.compat.transformers import prompts as given
from samhq.compat.transformers.outputs import Output
from samhq.compat.transformers.pretrained import refuse_keywords
from samhq.compat.transformers.sam2_pretrained import Sam2PreTrainedModel
from samhq.errors import PromptError
from samhq.model.sam import at_once
from samhq.types import IGNORED, NOT_A_POINT, ImageEmbedding, Prompts

#: Logits of a mask for a padding prompt: below any threshold everywhere.
_NOWHERE = -100.0
_ARGUMENTS = (
    "pixel_values", "input_points", "input_labels", "input_boxes", "input_masks", "image_embeddings",
    "multimask_output", "original_sizes", "return_dict",
)  # fmt: skip
#: Arguments of transformers that have no effect if they are None.
_WITHOUT_EFFECT = ("attention_similarity", "target_embedding", "output_attentions", "output_hidden_states")


@dataclass(eq=False)
class Sam2Output(Output):
    """`iou_scores` [I,P,K]; `pred_masks` [I,P,K,4g,4g], logits in the model's square; `object_score_logits` [I,P,1].

    `image_embeddings` are the maps that `forward` takes in place of pictures, finest first.
    """

    iou_scores: Float[Tensor, "I P K"] | None = None
    pred_masks: Float[Tensor, "I P K G G"] | None = None
    object_score_logits: Float[Tensor, "I P 1"] | None = None
    image_embeddings: tuple[Tensor, ...] | None = None


class Sam2Model(Sam2PreTrainedModel):
    """SAM 2 for pictures with transformers' arguments and outputs. Its network is `self.sam`.

    Made from a `Sam2Config`, ours or transformers' own, it has random weights.
    """

    def forward(
        self,
        pixel_values: Float[Tensor, "I 3 S S"] | None = None,
        input_points: Float[Tensor, "I P N 2"] | None = None,
        input_labels: Tensor | None = None,
        input_boxes: Float[Tensor, "I P 4"] | None = None,
        input_masks: Tensor | None = None,
        image_embeddings: Sequence[Tensor] | None = None,
        multimask_output: bool = True,
        return_dict: bool | None = None,
        **unknown: Any,
    ) -> Sam2Output | tuple[Any, ...]:
        """Logits [I,P,K,4g,4g], predicted IoU [I,P,K] and object scores of each prompt; K is 3, or 1.

        Give `pixel_values` or `image_embeddings`. Coordinates are model pixels, as the processor returns them. Without
        `multimask_output` the best of the other three masks replaces an unstable one. A prompt without points and box
        has two tokens that are "not a point", as in transformers.

        Raises:
            PromptError: wrong shapes or counts, both or neither input.
            ConfigError: pixels of another size, or an argument that does not exist.
        """
        unknown.pop("original_sizes", None)  # `model(**inputs)` passes it.
        for name in _WITHOUT_EFFECT:
            if unknown.get(name) is None:
                unknown.pop(name, None)
        refuse_keywords(unknown, None, _ARGUMENTS)
        embedding = self._embedding(pixel_values, image_embeddings)
        grid, images = self.sam.config.grid, len(embedding)
        batch = given.flatten_nested(images, grid, self.device, input_points, input_labels, input_boxes, input_masks)
        answers = self._answers(embedding, _never_empty(batch.prompts), multimask_output)
        iou, logits, score = (torch.cat(parts) for parts in zip(*answers, strict=True))
        output = Sam2Output(
            batch.fold(batch.blank(iou, 0.0)),
            batch.fold(batch.blank(logits, _NOWHERE)),
            batch.fold(score),
            (*embedding.levels, embedding.features),
        )
        return output.to_tuple() if return_dict is False else output

    def _embedding(self, pixels: Tensor | None, maps: Sequence[Tensor] | None) -> ImageEmbedding:
        if (pixels is None) == (maps is None):
            got = "neither" if pixels is None else "both"
            raise PromptError(f"Expected pixel_values or image_embeddings, got {got}. Pass exactly one of them.")
        if pixels is not None:
            return self.sam.prepared(self.sam.encode(pixels.to(self.device)))
        assert maps is not None
        if len(maps) != 3:
            raise PromptError(
                f"Expected the three maps that get_image_embeddings returns, got {len(maps)}. Pass all of them."
            )
        finest, finer, features = (level.to(self.device, self.dtype) for level in maps)
        embedding = self._pictures.prepare(self.sam, (maps[2],), lambda: ImageEmbedding(features))
        return replace(embedding, levels=(finest, finer))

    def _answers(
        self, embedding: ImageEmbedding, prompts: Prompts, multimask: bool
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """IoU, logits and object score, some prompts at a time."""
        answers, step = [], at_once(self.device)
        for start in range(0, len(prompts), step):
            attended = self.sam.attend(embedding, prompts[start : start + step])
            attended, choice = self.sam.choose(attended, embedding, "all" if multimask else "single", "off")
            logits = self.sam.mask_decoder.paint(attended, embedding, choice)
            answers.append((choice.iou, logits, self.sam.mask_decoder.object_score(attended.tokens)))
        return answers


def _never_empty(prompts: Prompts) -> Prompts:
    """The prompts; those without points and box get one "not a point", in addition to the usual one at the end."""
    count, device = len(prompts), prompts.image_index.device
    empty = torch.ones(count, dtype=torch.bool, device=device)
    if prompts.labels is not None:
        empty &= (prompts.labels == IGNORED).all(1)
    if prompts.boxes is not None:
        empty &= prompts.boxes.isnan().any(1)
    if not bool(empty.any()):
        return prompts
    none = torch.where(empty, NOT_A_POINT, IGNORED)[:, None]
    place = torch.zeros(count, 1, 2, device=device)
    if prompts.points is None or prompts.labels is None:
        return replace(prompts, points=place, labels=none)
    points = torch.cat([prompts.points, place.to(prompts.points.dtype)], 1)
    return replace(prompts, points=points, labels=torch.cat([prompts.labels, none], 1))
