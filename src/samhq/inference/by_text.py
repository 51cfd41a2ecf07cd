"""Masks for the objects that a detector finds: class names or examples in, segmentations with labels out.

Works with any segmenter that takes prompts, in torch or exported. Knows nothing about detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from samhq.config import HQMode
from samhq.errors import PromptError, naming
from samhq.image.frame import Frame
from samhq.image.read import file_name_of, read_copy, read_image
from samhq.image.transform import SquareForm
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation

if TYPE_CHECKING:
    from samhq.text.search import Search


@runtime_checkable
class PromptSegmenter(Protocol):
    """The common interface of `Segmenter` and `samhq.runtime.OnnxSegmenter`: prompts for a picture in, masks out."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def form(self) -> SquareForm:
        """The model's square input."""
        ...

    def encode(self, image: Any) -> Any:
        """The picture, encoded once for any number of prompts."""
        ...

    def segment(
        self,
        image: Any,
        *,
        prompts: Sequence[Prompt] | None = None,
        multimask: bool | None = None,
        hq: HQMode | None = None,
    ) -> Segmentation:
        """Masks for the prompts of a picture, which may already be encoded."""
        ...


def segment_found(
    segmenter: PromptSegmenter, images: Sequence[Any], search: Search, *, hq: HQMode | None = None, **options: Any
) -> list[Segmentation]:
    """For every picture the masks of all objects that the search finds, best score first.

    `images` are pictures as `samhq.image.read.read_image` takes them, or encoded ones. Each mask has the label and
    score of its detection; `detections` of a result also has the rejected ones. If nothing is found, the result has no
    masks, and the picture is not encoded. `options` are further arguments of the segmenter's `segment`.

    Raises:
        ImageError: a picture cannot be read.
        PromptError, ConfigError: as `Search.detect` and the segmenter's `segment`.
    """
    pictures, files = [], []
    for number, image in enumerate(images):
        with naming("picture", number, len(images)):
            pictures.append(pixels_of(image))
            files.append(file_of(image))
    detected = search.detect(pictures, files)
    results = []
    for image, picture, file, detections in zip(images, pictures, files, detected, strict=True):
        prompts = search.prompts(detections)
        if prompts:
            result = segmenter.segment(image, prompts=prompts, multimask=False, hq=hq, **options)
        else:
            result = nothing_found(segmenter, picture, file)
        results.append(replace(result, detections=detections))
    return results


def check_alone(*prompts: Any) -> None:
    """Refuses prompts beside class names.

    Raises:
        PromptError: one of the values is given.
    """
    if any(value is not None for value in prompts):
        raise PromptError(
            "Expected class names (text=), examples (like=) or a detector alone, got points, boxes, masks, prompts or "
            "multimask too. Detections are boxes, with one mask each; give prompts=[Prompt(box=..., label=...)] to mix."
        )


def nothing_found(segmenter: PromptSegmenter, image: Any, file_name: str | None = None) -> Segmentation:
    """The empty result for a picture without prompts, which is not encoded.

    Raises:
        ImageError: it cannot be read.
    """
    picture, form = read_copy(image), segmenter.form
    frame = Frame.fit((picture.shape[0], picture.shape[1]), form.side, squash=form.squashed)
    return Segmentation.empty(picture, frame, segmenter.name, file_name or file_name_of(image))


def pixels_of(image: Any) -> np.ndarray:
    """The pixels of a picture or an encoded picture, uint8 [H,W,3]."""
    encoded = hasattr(image, "embedding") and hasattr(image, "frame")
    return image.image if encoded else read_image(image)


def file_of(image: Any) -> str | None:
    """The path of a picture or an encoded picture, if it was given as a path."""
    return image.file_name if hasattr(image, "embedding") else file_name_of(image)
