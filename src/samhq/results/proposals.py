"""Masks that whole-image segmentation proposes, and the choice among them by scores and boxes.

Knows nothing of networks or files.

Source: segment-anything, automatic_mask_generator.py; same order and comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from samhq.image.crops import Crop
from samhq.masks import runs
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.filters import nms
from samhq.shapes import Bool, Float32, Float64, Int64


@dataclass(frozen=True)
class Best:
    """The highest predicted IoU of all masks, and the highest stability of masks with enough predicted IoU, or None.

    >>> Best(0.5).with_(Best(0.7, 0.9))
    Best(iou=0.7, stability=0.9)
    """

    iou: float | None = None
    stability: float | None = None

    def with_(self, other: Best) -> Best:
        """The higher value of both, for each score."""
        pairs = (self.iou, other.iou), (self.stability, other.stability)
        return Best(*(max((value for value in pair if value is not None), default=None) for pair in pairs))


@dataclass(frozen=True, eq=False)
class Proposals:
    """The masks of one picture as columns of equal length M, in the order in which they were found.

    `size_hw` is the picture's size; `crops` lists all crops that the network saw, and `crop` [M] is the index of each
    mask's crop; `points` [M,2] as (x, y) and `boxes` [M,4] as (x0, y0, x1, y1), last pixel included, are in image
    pixels; `iou` [M] is predicted by the network for SAM's mask; `stability` [M]; `changes` are the masks themselves,
    see `samhq.masks.runs`; `best` holds the highest scores of all masks, kept or not.
    """

    size_hw: tuple[int, int]
    crops: tuple[Crop, ...]
    crop: Int64[np.ndarray, " M"]
    points: Float64[np.ndarray, "M 2"]
    boxes: Int64[np.ndarray, "M 4"]
    iou: Float32[np.ndarray, " M"]
    stability: Float32[np.ndarray, " M"]
    changes: tuple[np.ndarray, ...]
    best: Best = Best()

    def __len__(self) -> int:
        return len(self.changes)

    def __getitem__(self, rows: np.ndarray) -> Proposals:
        """Some of the masks, by indices or a bool mask, in that order."""
        chosen = np.arange(len(self))[rows]
        columns = {name: getattr(self, name)[chosen] for name in ("crop", "points", "boxes", "iou", "stability")}
        return replace(self, **columns, changes=tuple(self.changes[row] for row in chosen))

    @staticmethod
    def of(size_hw: tuple[int, int], crops: Sequence[Crop], found: Sequence[Proposal]) -> Proposals:
        """Single proposals as columns; none give columns of length 0."""
        return Proposals(
            size_hw,
            tuple(crops),
            np.array([proposal.crop for proposal in found], np.int64),
            np.array([proposal.point for proposal in found], np.float64).reshape(-1, 2),
            np.array([proposal.box for proposal in found], np.int64).reshape(-1, 4),
            np.array([proposal.iou for proposal in found], np.float32),
            np.array([proposal.stability for proposal in found], np.float32),
            tuple(proposal.changes for proposal in found),
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """One row of `Proposals`."""

    crop: int
    point: tuple[float, float]
    box: tuple[int, int, int, int]
    iou: float
    stability: float
    changes: np.ndarray


def keep(proposals: Proposals, config: AutomaticConfig) -> Proposals:
    """The proposals that pass the thresholds, without those whose box is almost the same as that of a better one.

    Within a crop the higher predicted IoU wins; between crops the smaller crop wins. The result is sorted by crop size,
    then by falling predicted IoU. With `min_mask_region_area` masks are then cleaned, unchanged masks come first, and
    boxes are compared again.
    """
    rows = np.arange(len(proposals))[_passing(proposals, config)]
    kept = proposals[
        np.concatenate([_nms_within(proposals, rows, number, config) for number in range(len(proposals.crops))])
    ]
    if len(kept.crops) > 1:
        corners = np.array(kept.crops)[kept.crop].reshape(-1, 4)
        areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        kept = kept[nms(kept.boxes, 1 / areas.astype(np.float32), config.crop_nms_thresh)]
    return _cleaned(kept, config) if config.min_mask_region_area else kept


def _passing(proposals: Proposals, config: AutomaticConfig) -> Bool[np.ndarray, " M"]:
    passing = np.ones(len(proposals), np.bool_)
    if config.pred_iou_thresh > 0:
        passing &= proposals.iou > np.float32(config.pred_iou_thresh)
    if config.stability_score_thresh > 0:
        passing &= proposals.stability >= np.float32(config.stability_score_thresh)
    return passing


def _nms_within(proposals: Proposals, rows: np.ndarray, crop: int, config: AutomaticConfig) -> np.ndarray:
    own = rows[proposals.crop[rows] == crop]
    return own[nms(proposals.boxes[own], proposals.iou[own], config.box_nms_thresh)]


def _cleaned(proposals: Proposals, config: AutomaticConfig) -> Proposals:
    size_hw, least = proposals.size_hw, config.min_mask_region_area
    cleaned = [runs.without_small_regions(changes, size_hw, least) for changes in proposals.changes]
    boxes = np.array([runs.box(changes, size_hw[0]) for changes, _ in cleaned], np.int64).reshape(-1, 4)
    unchanged = np.array([not changed for _, changed in cleaned], np.float32)
    kept = nms(boxes, unchanged, max(config.box_nms_thresh, config.crop_nms_thresh))
    return replace(proposals, boxes=boxes, changes=tuple(changes for changes, _ in cleaned))[kept]
