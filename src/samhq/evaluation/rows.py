"""One object's scores for one kind of prompt: the row from which all tables and files are made.

Knows masks and numbers; nothing of models or files.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool

from samhq.config import HQMode
from samhq.datasets.sample import Sample
from samhq.evaluation.metrics import band_width, boundary, iou
from samhq.evaluation.thin import thin_score

Size = Literal["small", "medium", "large"]
#: Areas in pixels above which an object is medium and large. Source: cocodataset.org, "Detection Evaluation".
MEDIUM, LARGE = 32**2, 96**2


@dataclass(frozen=True)
class Row:
    """Scores 0..1 of one object for one kind of prompt.

    `object` is its id in the data set; `area` is its number of pixels; `thin` is None if it has no thin structure;
    `predicted_iou` is the network's own estimate, None after clicks; `clicks` has the IoU after each simulated click.
    """

    picture: str
    object: int
    category: str
    prompt: str
    hq: HQMode
    area: int
    iou: float
    boundary_iou: float
    thin: float | None
    predicted_iou: float | None
    clicks: tuple[float, ...] = ()

    @property
    def size(self) -> Size:
        """The object's size class, by COCO's areas."""
        return size_of(self.area)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self)

    @classmethod
    def of(
        cls,
        sample: Sample,
        k: int,
        mask: Bool[np.ndarray, "H W"],
        prompt: str,
        hq: HQMode,
        *,
        predicted: float | None = None,
        clicks: tuple[float, ...] = (),
    ) -> Row:
        """The scores of a mask for object `k` of a sample."""
        true = sample.masks[k]
        scores = score(mask, true)
        return cls(
            picture=sample.name,
            object=sample.ids[k],
            category=sample.categories[k],
            prompt=prompt,
            hq=hq,
            area=int(true.sum()),
            iou=scores.iou,
            boundary_iou=scores.boundary_iou,
            thin=scores.thin,
            predicted_iou=predicted,
            clicks=clicks,
        )

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Row:
        """The row that `to_json` wrote."""
        return cls(**{**record, "clicks": tuple(record["clicks"])})


#: The columns of a table of rows, with the size class after the area.
COLUMNS = tuple(field.name for field in fields(Row))


def size_of(area: float) -> Size:
    """Small, medium or large, by COCO's areas.

    >>> size_of(1023), size_of(1024), size_of(9216)
    ('small', 'medium', 'large')
    """
    if area < MEDIUM:
        return "small"
    return "medium" if area < LARGE else "large"


@dataclass(frozen=True)
class Scores:
    """IoU, boundary IoU and thin score of one mask, 0..1; `thin` is None if the object has no thin structure."""

    iou: float
    boundary_iou: float
    thin: float | None


def score(pred: Bool[np.ndarray, "H W"], true: Bool[np.ndarray, "H W"]) -> Scores:
    """The scores of a mask against the true one; both empty: 1 and 1, one of them empty: 0 and 0.

    The same numbers as `metrics.iou` and `metrics.boundary_iou`, computed on the part of the picture that contains the
    two masks.

    >>> score(np.eye(4, dtype=bool), np.ones((4, 4), bool)).iou
    0.25
    """
    thin = thin_score(pred, true)
    window = _window(pred | true)
    width = band_width(*true.shape)
    predicted, truth = (torch.from_numpy(np.ascontiguousarray(mask[window])) for mask in (pred, true))
    bands = boundary(predicted, width=width), boundary(truth, width=width)
    return Scores(iou(predicted, truth).item(), iou(*bands).item(), None if math.isnan(thin) else thin)


def _window(mask: Bool[np.ndarray, "H W"]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
