"""Grounding DINO, and MM Grounding DINO and LLMDet, which differ in weights and heads, as detectors of phrases.

The networks come from transformers; this module makes captions, scores and boxes. Knows nothing about masks.

Source: Liu et al., Grounding DINO (arXiv 2303.05499); Zhao et al., MM-Grounding-DINO (arXiv 2401.02361).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from samhq.results.detections import Detections
from samhq.shapes import Float32, UInt8
from samhq.text.caption import Caption, CaptionWriter
from samhq.text.pixels import groups, prepared
from samhq.text.scoring import FLOOR, Assign, Reduce, assign, corners, phrase_scores

MODEL_TYPES = ("grounding-dino", "mm-grounding-dino")
_DELIMITERS = (101, 102, 1012, 1029)  #: [CLS], [SEP], "." and "?" of BERT; these are constants of the networks.
_LONGEST = 1333 / 800  #: Longest side of a picture, as a multiple of the shortest side.


@dataclass(eq=False)
class GroundingDino:
    """A detector of the Grounding DINO family.

    `model`, `tokenizer` and `image_processor` are transformers'. `short_side` is the pictures' shorter side in pixels
    (None: the processor's own, 800). `reduce`, `assign` and `floor` are as in `samhq.text.scoring`; `batch` is the
    number of pictures of one size in a batch.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    short_side: int | None = None
    reduce: Reduce = "mean"
    assign: Assign = "best"
    floor: float = FLOOR
    batch: int = 4
    weights: str = ""  #: Identifies the weights, such as their hash; empty if unknown.
    threshold: float = 0.25  #: Default threshold of scores.
    _writer: CaptionWriter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.model = text_once(self.model.eval())
        self._writer = CaptionWriter(
            encode=lambda phrase: self.tokenizer(phrase, add_special_tokens=False)["input_ids"],
            start=self.tokenizer.cls_token_id,
            dot=self.tokenizer.convert_tokens_to_ids("."),
            end=self.tokenizer.sep_token_id,
            delimiters=frozenset(_DELIMITERS),
            limit=int(self.model.config.max_text_len),
        )

    def captions(self, classes: Sequence[str]) -> list[Caption]:
        """The captions that the network reads for these classes; several if one cannot hold them.

        Raises:
            PromptError: a class that it cannot read, or that is too long.
        """
        return self._writer.captions(classes)

    def check_classes(self, classes: Sequence[str]) -> None:
        """Checks that the network can read the classes; raises as `captions`."""
        self.captions(classes)

    @property
    def identity(self) -> dict[str, Any] | None:
        """Everything that detections depend on except picture and classes, as JSON values; None for unknown weights."""
        if not self.weights:
            return None
        options = {name: getattr(self, name) for name in ("short_side", "reduce", "assign", "floor")}
        return {"weights": self.weights, "dtype": str(self.model.dtype), **options}

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[np.ndarray, "H W 3"]], classes: Sequence[str]) -> list[Detections]:
        """The detections in each picture, best score first; the result does not depend on the other pictures.

        Raises:
            PromptError: as `captions`.
        """
        captions, by_picture = self.captions(classes), {}
        pixels = [prepared(self.image_processor, image, self._size()) for image in images]
        for rows in groups(pixels, self.batch):
            scores, boxes = self._scores(torch.cat([pixels[row] for row in rows]), captions, len(classes))
            for row, own_scores, own_boxes in zip(rows, scores, boxes, strict=True):
                by_picture[row] = self._detections(own_scores, own_boxes, images[row].shape[:2], classes)
        return [by_picture[row] for row in range(len(images))]

    def _size(self) -> dict[str, int] | None:
        if self.short_side is None:
            return None
        return {"shortest_edge": self.short_side, "longest_edge": round(self.short_side * _LONGEST)}

    def _scores(
        self, pixels: Tensor, captions: Sequence[Caption], phrases: int
    ) -> tuple[Float32[np.ndarray, "I Q T"], Float32[np.ndarray, "I Q 4"]]:
        """Scores of the queries of all captions for all phrases, 0 for phrases of other captions, and their boxes."""
        scores, boxes = [], []
        for caption in captions:
            logits, centres = self._forward(pixels, caption)
            part = np.zeros((*logits.shape[:2], phrases), np.float32)
            phrases_of_caption = [span.phrase for span in caption.spans]
            for image, of_image in enumerate(logits):
                part[image][:, phrases_of_caption] = phrase_scores(of_image, caption.spans, self.reduce)
            scores.append(part)
            boxes.append(centres)
        return np.concatenate(scores, axis=1), np.concatenate(boxes, axis=1)

    def _forward(self, pixels: Tensor, caption: Caption) -> tuple[np.ndarray, np.ndarray]:
        """The network's logits [I,Q,L] for each token and boxes [I,Q,4] as centres and sizes in 0..1."""
        device = self.model.device
        ids = torch.tensor(caption.ids, device=device).expand(len(pixels), -1)
        output = self.model(
            pixel_values=pixels.to(device, self.model.dtype),
            pixel_mask=torch.ones(pixels[:, 0].shape, dtype=torch.long, device=device),
            input_ids=ids,
            token_type_ids=torch.zeros_like(ids),
            attention_mask=torch.ones_like(ids),
        )
        return output.logits.float().cpu().numpy(), output.pred_boxes.float().cpu().numpy()

    def _detections(
        self, scores: np.ndarray, centres: np.ndarray, size_hw: tuple[int, ...], classes: Sequence[str]
    ) -> Detections:
        queries, phrases = assign(scores, self.assign, self.floor)
        boxes = corners(centres[queries], size_hw[1], size_hw[0])
        return Detections(boxes, scores[queries, phrases], phrases, tuple(classes))


class TextOnce(torch.nn.Module):
    """The text network, which computes each caption once for all pictures, one after the other or in a batch."""

    def __init__(self, network: torch.nn.Module, limit: int = 32) -> None:
        super().__init__()
        self.network, self._limit = network, limit
        self._known: dict[tuple[int, ...], Tensor] = {}

    def forward(self, input_ids: Tensor, *inputs: Any, return_dict: bool | None = True, **named: Any) -> Any:
        """The features of captions, which must all be the same, as transformers' BERT gives them."""
        from transformers.modeling_outputs import BaseModelOutput

        key = tuple(input_ids[0].tolist())
        if key not in self._known:
            if len(self._known) >= self._limit:
                self._known.pop(next(iter(self._known)))
            first = [value[:1] if isinstance(value, Tensor) else value for value in (input_ids, *inputs)]
            self._known[key] = self.network(*first, return_dict=True, **named).last_hidden_state
        features = self._known[key].expand(len(input_ids), -1, -1)
        return BaseModelOutput(last_hidden_state=features) if return_dict else (features,)


def text_once(model: Any) -> Any:
    """The same model with its text computed once for each caption; shares all weights, and does not change `model`."""
    if isinstance(model.model.text_backbone, TextOnce):
        return model
    outer, inner = copy.copy(model), copy.copy(model.model)
    inner._modules = dict(inner._modules, text_backbone=TextOnce(inner.text_backbone))
    outer._modules = dict(outer._modules, model=inner)
    return outer
