"""A picture's objects for the supervision library: its `Detections`, or the records that its `from_sam` takes.

Needs supervision for the first, which comes with the extra `supervision`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from samhq.extras import from_extra
from samhq.results.annotation import record_from_annotation
from samhq.results.picture import Picture, as_picture


def to_detections(result: Any, labels: Sequence[str] = ()) -> Any:
    """`supervision.Detections` of a result's objects, in their order: boxes (x0, y0, x1, y1), masks, scores, classes.

    `result` is what `segment` or `segment_everything` returned, or a `Picture`. A box ends where its last pixel ends.
    Classes are numbered from 0 as in `labels`, others as they come; their names are in `data["class_name"]`. Objects
    without a score have confidence NaN. All masks are in memory at once.

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


def sam_records(picture: Picture) -> list[dict[str, Any]]:
    """The objects as segment-anything's records with bool masks, for `Detections.from_sam`; needs no extra."""
    return [record_from_annotation(item) | {"segmentation": item.mask} for _, item in picture.objects]


def _supervision() -> Any:
    with from_extra("supervision", "Detections"):
        import supervision
    return supervision
