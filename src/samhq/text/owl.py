"""OWLv2 and OWL-ViT as detectors of phrases, and of objects that look like an example.

The networks come from transformers. Texts and examples are embedded once; pictures are embedded once for all classes.
Knows nothing about masks.

Source: Minderer et al., Scaling Open-Vocabulary Object Detection (arXiv 2306.09683).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from samhq.errors import PromptError
from samhq.image.boxes import as_boxes
from samhq.image.read import read_image
from samhq.results.detections import Detections
from samhq.shapes import UInt8
from samhq.text.detector import Example
from samhq.text.pixels import groups, prepared
from samhq.text.scoring import FLOOR, Assign, assign, corners

MODEL_TYPES = ("owlv2", "owlvit")
_NEAR = 0.8  #: Boxes with at least this share of the best IoU with an example may represent it.


@dataclass(eq=False)
class Owl:
    """A detector of the OWL family.

    `model`, `tokenizer` and `image_processor` are transformers'. `template` turns a phrase into a sentence. `assign`
    and `floor` are as in `samhq.text.scoring`; `batch` is the number of pictures in a batch.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    template: str = "a photo of a {}"
    assign: Assign = "best"
    floor: float = FLOOR
    batch: int = 4
    weights: str = ""  #: Identifies the weights, such as their hash; empty if unknown.
    threshold: float = 0.1  #: Default threshold of scores.
    _texts: dict[tuple[str, ...], Tensor] = field(default_factory=dict, init=False, repr=False)
    _examples: dict[tuple[Example, ...], Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.model = self.model.eval()

    @torch.inference_mode()
    def check_classes(self, classes: Sequence[str]) -> None:
        """Checks that no class is too long; raises as `detect`."""
        self._embedded(tuple(classes))

    @property
    def identity(self) -> dict[str, Any] | None:
        """Everything that detections depend on except picture and classes, as JSON values; None for unknown weights."""
        if not self.weights:
            return None
        options = {name: getattr(self, name) for name in ("template", "assign", "floor")}
        return {"weights": self.weights, "dtype": str(self.model.dtype), **options}

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[np.ndarray, "H W 3"]], classes: Sequence[str]) -> list[Detections]:
        """The detections in each picture, best score first.

        Raises:
            PromptError: a class that is too long for the detector.
        """
        return self._detect(images, self._embedded(tuple(classes)), classes)

    @torch.inference_mode()
    def detect_like(
        self, images: Sequence[UInt8[np.ndarray, "H W 3"]], examples: Sequence[Example]
    ) -> list[Detections]:
        """Objects in each picture that look like the examples, with their labels, best score first.

        Raises:
            PromptError: no example, or a box that does not fit its picture.
        """
        if not examples:
            raise PromptError("Expected at least one example, got none. Give Example(image, box).")
        names = list(dict.fromkeys(example.label for example in examples))
        detections = self._detect(
            images, self._embedded_examples(tuple(examples)), [str(number) for number in range(len(examples))]
        )
        owners = [names.index(example.label) for example in examples]
        return [picture_detections.renamed(owners, names) for picture_detections in detections]

    def _detect(self, images: Sequence[np.ndarray], queries: Tensor, classes: Sequence[str]) -> list[Detections]:
        """The patches' boxes that fit the query embeddings [T,D]."""
        by_picture = {}
        pixels = [prepared(self.image_processor, image) for image in images]
        for rows in groups(pixels, self.batch):
            features, centres = self._patches(torch.cat([pixels[row] for row in rows]))
            logits, _ = self.model.class_predictor(features, queries.expand(len(rows), -1, -1))
            scores = expit(logits.float().cpu().numpy())
            for row, own_scores, own_centres in zip(rows, scores, centres.float().cpu().numpy(), strict=True):
                patches, numbers = assign(own_scores, self.assign, self.floor)
                boxes = corners(own_centres[patches], *self._size(images[row]))
                by_picture[row] = Detections(boxes, own_scores[patches, numbers], numbers, tuple(classes))
        return [by_picture[row] for row in range(len(images))]

    def _patches(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The patches' features [I,N,C] and boxes [I,N,4] of pictures, as centres and sizes in 0..1."""
        maps = self.model.image_embedder(pixel_values=pixels.to(self.model.device, self.model.dtype))[0]
        features = maps.flatten(1, 2)
        return features, self.model.box_predictor(features, maps)

    def _size(self, image: np.ndarray) -> tuple[float, float]:
        """The width and height that boxes are relative to: OWLv2 pads to a square, OWL-ViT squeezes into one."""
        height, width = image.shape[:2]
        longest = float(max(height, width))
        return (longest, longest) if self.model.config.model_type == "owlv2" else (float(width), float(height))

    def _embedded(self, classes: tuple[str, ...]) -> Tensor:
        """The embeddings of phrases [T,D], computed once for each list."""
        if classes not in self._texts:
            self._texts.clear()
            self._texts[classes] = self._embed(classes)
        return self._texts[classes]

    def _embed(self, classes: Sequence[str]) -> Tensor:
        inner = getattr(self.model, self.model.base_model_prefix)
        limit = inner.config.text_config.max_position_embeddings
        sentences = [self.template.format(name) for name in classes]
        for sentence, ids in zip(sentences, self.tokenizer(sentences)["input_ids"], strict=True):
            if len(ids) > limit:
                raise PromptError(
                    f"Expected classes of at most {limit} tokens for this detector, got {len(ids)} in "
                    f"{sentence[:60]!r}. Name the object in a few words."
                )
        tokens = self.tokenizer(sentences, padding="max_length", max_length=limit, return_tensors="pt")
        tokens = {name: tokens[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        features = inner.get_text_features(**tokens)
        embeddings = features if isinstance(features, Tensor) else features.pooler_output
        return embeddings / embeddings.norm(dim=-1, keepdim=True)

    def _embedded_examples(self, examples: tuple[Example, ...]) -> Tensor:
        """The embeddings of examples [T,D], computed once for the same example objects."""
        if examples not in self._examples:
            self._examples.clear()
            self._examples[examples] = torch.stack([self._embedded_example(example) for example in examples])
        return self._examples[examples]

    def _embedded_example(self, example: Example) -> Tensor:
        """The embedding [D] of the patch whose box is closest to the example's; of several, the most certain one."""
        image = read_image(example.image)
        box = as_boxes(example.box, (image.shape[0], image.shape[1]))[0]
        features, centres = self._patches(prepared(self.image_processor, image))
        _, embeddings = self.model.class_predictor(features)
        boxes = corners(centres[0].float().cpu().numpy(), *self._size(image))
        overlaps = _ious(boxes, box)
        near = np.flatnonzero(overlaps >= _NEAR * overlaps.max())
        if hasattr(self.model, "objectness_predictor"):
            sure = self.model.objectness_predictor(features)[0].float().cpu().numpy()
            best = near[sure[near].argmax()]
        else:
            best = near[overlaps[near].argmax()]
        return embeddings[0, int(best)]


def _ious(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU of boxes [N,4] with one box [4]; 0 without area."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
