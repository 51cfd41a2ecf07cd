"""Objects of a picture without prompts, for the functions of labelling tools: everything, or what class names say."""

from __future__ import annotations

from typing import Any

import numpy as np

from samhq.inference.everything import segment_everything
from samhq.inference.segment import Segmenter
from samhq.masks import rle
from samhq.results.annotation import LABEL, Annotation, annotation_from_record
from samhq.text.search import Search


def everything_of(model: Segmenter, picture: np.ndarray) -> list[Annotation]:
    """Masks for everything in a picture."""
    records = segment_everything(picture, model).as_records("coco_rle")
    return [annotation_from_record(record) for record in records]


def named_in(
    model: Segmenter, picture: np.ndarray, classes: str, *, name: str = "", detector: Any = None, least: Any = None
) -> list[Annotation]:
    """Masks with labels for what class names say; files of boxes know the picture by `name`.

    `least` is the lowest score of the detector, by default its own.

    Raises:
        PromptError, ConfigError, CheckpointError, MissingExtraError: as `Search.of`.
    """
    search = Search.of(classes, detector=detector, threshold=least, device=model.model.device)
    (detections,) = search.detect([picture], [name])
    prompts = search.prompts(detections)
    if not prompts:
        return []
    masks = model.segment(picture, prompts=prompts, multimask=False).masks
    return [
        Annotation(rle.encode(mask), prompt.label or LABEL, detector_score=prompt.score)
        for mask, prompt in zip(masks, prompts, strict=True)
    ]
