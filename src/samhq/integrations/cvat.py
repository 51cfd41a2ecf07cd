"""Functions for CVAT's auto-annotation: objects found in a picture, and masks for clicks and boxes.

`cvat-cli task auto-annotate TASK --function-module samhq.integrations.cvat -p classes=str:cup,cat` finds objects.
`cvat-cli function create-native NAME --function-module samhq.integrations.cvat` and `function run-agent` segment by
clicks and boxes.

Source: cvat-sdk 2.80.0, `auto_annotation/interface.py` and `masks.py`: the interfaces and their rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.formats.bridge import bridged
from samhq.inference.segment import EncodedImage, Segmenter, load
from samhq.integrations.finding import everything_of, named_in
from samhq.results.annotation import LABEL, Annotation
from samhq.text.search import Search

if TYPE_CHECKING:
    from PIL import Image


class CvatDetection:
    """A detection function: objects of some classes, or without classes everything, each as a mask.

    `classes` are names with commas between them, the labels of the task. Without classes all masks have the label
    "object". With `conv_mask_to_poly` the masks become polygons, one for each area, holes joined by corridors without
    width; `tolerance` in pixels simplifies them.

    Raises:
        MissingExtraError: cvat-sdk is not installed.
    """

    def __init__(
        self, model: Segmenter, classes: str | None = None, detector: Any = None, tolerance: float = 1.0
    ) -> None:
        self._model, self._classes, self._detector, self._tolerance = model, classes, detector, tolerance
        with from_extra("cvat", "CVAT's functions"):
            import cvat_sdk.auto_annotation as cvat
        names = [LABEL] if classes is None else Search.of(classes, detector=detector).names
        self._ids = {name: number for number, name in enumerate(names)}
        labels = [cvat.label_spec(name, number, type="mask") for name, number in self._ids.items()]
        self.spec = cvat.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """The objects of a picture as CVAT's shapes, best first, none below `context.conf_threshold`."""
        least, picture = context.conf_threshold, np.asarray(image.convert("RGB"))
        if self._classes is None:
            found = everything_of(self._model, picture)
        else:
            about = {"name": context.frame_name, "detector": self._detector, "least": least}
            found = named_in(self._model, picture, self._classes, **about)
        kept = [
            annotation
            for annotation in found
            if annotation.area and (least is None or (annotation.confidence or 0) >= least)
        ]
        return [shape for annotation in kept for shape in self._shapes(annotation, context.conv_mask_to_poly)]

    def _shapes(self, annotation: Annotation, as_polygons: bool) -> list[Any]:
        import cvat_sdk.auto_annotation as cvat
        from cvat_sdk.masks import encode_mask

        label = self._ids[annotation.label]
        if not as_polygons:
            return [cvat.mask(label, encode_mask(annotation.mask))]
        rings = [bridged([polygon]) for polygon in annotation.polygons(self._tolerance)]
        return [cvat.polygon(label, ring.ravel().tolist()) for ring in rings if len(ring) >= 3]


class CvatInteraction:
    """An interaction function: a mask for points on and off an object, a box, or both.

    Raises:
        MissingExtraError: cvat-sdk is not installed.
    """

    def __init__(self, model: Segmenter) -> None:
        self._model = model
        with from_extra("cvat", "CVAT's functions"):
            import cvat_sdk.auto_annotation as cvat
        self.spec = cvat.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def preprocess_image(self, context: Any, image: Image.Image) -> EncodedImage:
        """The encoded picture, which CVAT's agent keeps; in half precision where its numbers allow that."""
        encoded = self._model.encode(np.asarray(image.convert("RGB")))
        small = replace(encoded.embedding, shared=None).to("cpu").to(torch.float16)
        maps = [small.features, *([] if small.hq is None else [small.hq]), *small.levels]
        fits = all(bool(feature_map.isfinite().all()) for feature_map in maps)
        return replace(encoded, embedding=small if fits else replace(encoded.embedding, shared=None))

    def detect(self, context: Any, pp_image: EncodedImage, prompts: Any) -> list[Any]:
        """The mask that the prompts mean, with its predicted IoU as confidence; nothing for an empty mask."""
        import cvat_sdk.auto_annotation as cvat
        from cvat_sdk.masks import encode_mask
        from cvat_sdk.models import AttributeValRequest

        points = [*prompts.pos_points, *prompts.neg_points]
        labels = [1] * len(prompts.pos_points) + [0] * len(prompts.neg_points)
        box = None if prompts.bounding_box is None else np.array(prompts.bounding_box, np.float64).ravel()
        if not points and box is None:
            return []
        clicks: dict[str, Any] = {"points": points, "labels": labels} if points else {}
        result = self._model.segment(pp_image, box=box, **clicks)
        mask, score = result.masks[0], float(np.clip(result.scores[0], 0, 1))
        if not mask.any():
            return []
        confidence = cvat.InteractionResultAttributes.CONFIDENCE
        attributes = [AttributeValRequest(spec_id=int(confidence), value=f"{score:.4f}")]
        return [cvat.InteractionResultShape(type="mask", points=encode_mask(mask), attributes=attributes)]


def create(
    classes: str = "",
    everything: bool = False,
    model: str = "",
    detector: str = "",
    device: str = "",
    tolerance: float = 1.0,
) -> CvatDetection | CvatInteraction:
    """The function that cvat-cli runs: detection where there are `classes`, or `everything`; else interaction.

    Empty text means the default: the starter as `model`, "grounding-dino-tiny" as `detector`, CUDA where there is one.

    Raises:
        ConfigError: classes and everything, or an unknown model, detector or device.
        CheckpointError, MissingExtraError: a model cannot be loaded, or cvat-sdk is not installed.
    """
    if classes and everything:
        raise ConfigError("Expected classes or everything, got both. Leave one out.")
    segmenter = load(model or None, device=device or None)
    if not classes and not everything:
        return CvatInteraction(segmenter)
    return CvatDetection(segmenter, classes or None, detector or None, tolerance)
