"""A picture's objects for the supervision library: its `Detections`, also as prompts, and what its `from_sam` takes.

Only making `Detections` needs supervision, which comes with the extra `supervision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from samhq.errors import PromptError
from samhq.extras import from_extra
from samhq.results.picture import as_picture
from samhq.results.prompt import Prompt


def to_detections(result: Any, labels: Sequence[str] = ()) -> Any:
    """`supervision.Detections` of a result's objects, in their order: boxes (x0, y0, x1, y1), masks, scores, classes.

    `result` is a result of `segment` or `segment_everything`, or a `Picture`. A box ends where its last pixel ends.
    Classes are numbered from 0 as in `labels`; others get the next numbers. Their names are in `data["class_name"]`.
    Objects without a score have confidence NaN. All masks are in memory at once.

    Raises:
        ConfigError: something else than a result.
        MissingExtraError: supervision is not installed.
    """
    picture = as_picture(result)
    library = _supervision()
    objects = [item for _, item in picture.objects]
    classes = {label: number for number, label in enumerate(labels)}
    boxes = np.array([item.bbox_xywh for item in objects], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return library.Detections(
        xyxy=boxes,
        mask=np.array([item.mask for item in objects], bool).reshape(-1, *picture.size_hw),
        confidence=np.array([np.nan if item.confidence is None else item.confidence for item in objects], np.float32),
        class_id=np.array([classes.setdefault(item.label, len(classes)) for item in objects], int),
        data={"class_name": np.array([item.label for item in objects], str)},
    )


def from_detections(detections: Any, *, masks: bool = True) -> list[Prompt]:
    """A prompt for each row of `supervision.Detections`: box, class name, score, and its mask where there is one.

    The name is that in `data["class_name"]`, or else the number of the class. `masks=False` takes the boxes alone.

    Raises:
        PromptError: something else than such detections.
    """
    boxes = getattr(detections, "xyxy", None)
    if boxes is None:
        raise PromptError(
            f"Expected supervision's Detections, got {type(detections).__name__}. Make samhq.Prompt objects of others."
        )
    names = (getattr(detections, "data", None) or {}).get("class_name")
    names = detections.class_id if names is None else names
    drawn = detections.mask if masks else None
    return [
        Prompt(
            box=np.asarray(box, np.float32),
            mask=None if drawn is None else np.asarray(drawn[row], bool),
            label=None if names is None else str(names[row]),
            score=_known(detections.confidence, row),
        )
        for row, box in enumerate(boxes)
    ]


def _known(scores: Any, row: int) -> float | None:
    """The row's score, None where there is none."""
    return None if scores is None or np.isnan(scores[row]) else float(scores[row])


def _supervision() -> Any:
    with from_extra("supervision", "Detections"):
        import supervision
    return supervision
