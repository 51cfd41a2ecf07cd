"""Which masks of whole-image segmentation are worth their HQ part, judged by SAM's part alone: the draft.

SAM's part of a mask costs a third of the whole mask. A point is dropped if its draft is far too unstable, or if its box
is nearly that of a better mask that was already found. Knows nothing about networks.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samhq.image.boxes import boxes_from_masks
from samhq.image.crops import Crop
from samhq.image.frame import Frame
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.filters import box_iou, stability_score

_SAME_BOX = 0.95  #: The box of a draft counts as that of a better mask from this IoU on, or from box_nms_thresh on.
_CHANGE = 0.2  #: The HQ part changes the stability score by less than this in 99 of 100 masks of photographs.


class Drafts:
    """The drafts of one crop, and the boxes of the masks that were kept so far."""

    def __init__(self, frame: Frame, crop: Crop, config: AutomaticConfig) -> None:
        self._crop, self._resized, self._side, self._config = crop, frame.resized_hw, frame.side, config
        self._squashed = frame.squashed
        self._boxes = np.zeros((0, 4), np.float32)
        self._scores = np.zeros(0, np.float32)

    def add(self, box: tuple[int, int, int, int], iou: float) -> None:
        """Remembers a mask: its box in pixels of the picture, and its predicted IoU."""
        self._boxes = np.concatenate([self._boxes, np.array([box], np.float32)])
        self._scores = np.append(self._scores, np.float32(iou))

    def promising(self, drafts: Float[Tensor, "P G G"], iou: Float[Tensor, " P"]) -> Bool[Tensor, " P"]:
        """Which drafts are stable enough and differ enough from every better mask."""
        height, width = self._kept_hw(drafts.shape[-1])
        logits = drafts[:, :height, :width].float().cpu().numpy()
        return torch.tensor(
            [self._is_promising(draft, score) for draft, score in zip(logits, iou.tolist(), strict=True)],
            dtype=torch.bool,
            device=drafts.device,
        )

    def _kept_hw(self, grid: int) -> tuple[int, int]:
        """The part of the low-resolution square that shows the picture, at least one row and column."""
        if self._squashed:
            return grid, grid
        height, width = (max(1, math.ceil(grid * length / self._side)) for length in self._resized)
        return height, width

    def _is_promising(self, logits: np.ndarray, score: float) -> bool:
        config, threshold = self._config, self._config.mask_threshold
        above, below = (
            int(np.count_nonzero(logits > threshold + sign * config.stability_score_offset)) for sign in (1, -1)
        )
        if stability_score(above, below) < config.stability_score_thresh - _CHANGE:
            return False
        better = self._boxes[self._scores > score]
        on = logits > threshold
        if not len(better) or not on.any():
            return True
        return not (box_iou(self._box(on), better) > max(_SAME_BOX, config.box_nms_thresh)).any()

    def _box(self, on: Bool[np.ndarray, "h w"]) -> np.ndarray:
        """The draft's box (x0, y0, x1, y1) in pixels of the picture."""
        x0, y0, x1, y1 = self._crop
        across, down = (x1 - x0) / on.shape[1], (y1 - y0) / on.shape[0]
        box = (boxes_from_masks(on) + np.array([0, 0, 1, 1])) * np.array([across, down] * 2)
        return box.astype(np.float32) + np.array([x0, y0, x0, y0], np.float32)
