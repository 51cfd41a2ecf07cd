"""Masks of one picture, at its own size, as numpy arrays that show, measure and save themselves.

Knows nothing about networks, nor torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samhq.image.boxes import boxes_from_masks
from samhq.image.draw import cutout, overlay
from samhq.image.read import as_array
from samhq.inference.prompt import Prompt
from samhq.masks import rle

if TYPE_CHECKING:
    from samhq.image.frame import Frame
    from samhq.masks.polygons import Polygon


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One row a prompt (P), K candidates each, best first; H and W are the picture's.

    `image` uint8 [H,W,3]; `candidates` bool [P,K,H,W]; `candidate_scores` float32 [P,K], the predicted IoU of
    SAM's mask (the network predicts none for the HQ mask); `low_res_logits` float32 [P,K,4g,4g], which can be
    given back as a mask prompt; `prompts`, what was asked; `model`, the name of who answered; `file_name`, the
    picture's path, where it was given by one.
    """

    image: np.ndarray
    candidates: np.ndarray
    candidate_scores: np.ndarray
    low_res_logits: np.ndarray
    prompts: tuple[Prompt, ...]
    frame: Frame
    model: str
    file_name: str | None = None

    def __len__(self) -> int:
        return len(self.candidates)

    def __repr__(self) -> str:
        prompts, candidates, height, width = self.candidates.shape
        return f"Segmentation({prompts} prompts x {candidates} candidates, {height}x{width}, {self.model})"

    @property
    def masks(self) -> np.ndarray:
        """The best mask of every prompt, bool [P,H,W]."""
        return self.candidates[:, 0]

    @property
    def scores(self) -> np.ndarray:
        """The predicted IoU of every prompt's best mask, float32 [P]; a regression, so it may pass 1."""
        return self.candidate_scores[:, 0]

    @cached_property
    def boxes(self) -> np.ndarray:
        """Tight boxes [P,4] as (x0, y0, x1, y1) in image pixels, last pixel included; zeros for an empty mask."""
        return boxes_from_masks(self.masks)

    @property
    def areas(self) -> np.ndarray:
        """Pixels of every prompt's best mask, int64 [P]."""
        return self.masks.sum(axis=(1, 2))

    @property
    def logits(self) -> np.ndarray:
        """The best masks' logits at the picture's size, float32 [P,H,W]; a mask is where they are above 0."""
        return self.frame.logits_to_image(self.low_res_logits[:, :1])[:, 0]

    def polygons(self, tolerance: float = 0.0) -> list[list[Polygon]]:
        """For every prompt its mask's outlines with holes, (x, y) on pixel borders.

        `tolerance` in pixels: how far a simplified outline may leave the exact one; 0 keeps every corner.
        """
        from samhq.masks.polygons import polygons_from_mask

        return [polygons_from_mask(mask, tolerance) for mask in self.masks]

    def overlay(self, *, prompts: bool = True, alpha: float = 0.5) -> np.ndarray:
        """The picture with masks in colour, and the prompts where wanted; uint8 [H,W,3]."""
        points, labels, boxes = drawn_prompts(self.prompts) if prompts else (None, None, None)
        return overlay(self.image, self.masks, points=points, labels=labels, boxes=boxes, alpha=alpha)

    def cutout(self, index: int = 0, *, crop: bool = True) -> np.ndarray:
        """One object with everything else transparent; uint8 [h,w,4], cut to its box when `crop`."""
        return cutout(self.image, self.masks[index], crop=crop)

    def annotations(self) -> list[dict[str, Any]]:
        """COCO-like records, one a candidate: compressed RLE, area, bbox as (x, y, w, h), predicted IoU, prompt."""
        return [
            self._annotation(prompt, candidate)
            for prompt in range(len(self))
            for candidate in range(self.candidates.shape[1])
        ]

    def _annotation(self, prompt: int, candidate: int) -> dict[str, Any]:
        mask = self.candidates[prompt, candidate]
        box = boxes_from_masks(mask[None])[0]
        size = (box[2:] - box[:2] + 1) if mask.any() else np.zeros(2)
        return {
            "prompt": prompt,
            "candidate": candidate,
            "segmentation": rle.encode(mask),
            "area": int(mask.sum()),
            "bbox": [int(value) for value in (*box[:2], *size)],
            "predicted_iou": float(self.candidate_scores[prompt, candidate]),
        }

    def save(
        self,
        directory: str | os.PathLike[str],
        stem: str = "result",
        *,
        masks: bool = True,
        overlay: bool = True,
        cutouts: bool = False,
        record: bool = True,
        file_name: str | None = None,
    ) -> list[Path]:
        """Writes mask PNGs, an overlay, cut-outs with alpha and a JSON record; returns their paths.

        Names begin with `stem`: `_mask_0.png` (255 on the object; with several candidates `_mask_0_1.png`),
        `_overlay.jpg`, `_cutout_0.png` and `.json`, which names the other files and the picture: `file_name`, by
        default the path that it was given by. Every file appears whole or not at all.
        With the record, files go that the record before it names, if it was of another result and nobody changed them;
        without it none goes, since nothing would say whose files are there.

        Raises:
            OSError: the folder cannot be made or written.
        """
        from samhq.formats.files import save_segmentation

        return save_segmentation(
            self,
            Path(directory),
            stem,
            masks=masks,
            overlay=overlay,
            cutouts=cutouts,
            record=record,
            file_name=file_name or self.file_name,
        )


def drawn_prompts(prompts: Sequence[Prompt]) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """All points [N,2], their labels [N] and all boxes [B,4], for drawing."""
    clicked = [
        (as_array(p.points).astype(np.float32).reshape(-1, 2), p.labels) for p in prompts if p.points is not None
    ]
    points = [xy for xy, _ in clicked]
    labels = [np.ones(len(xy)) if on is None else as_array(on).reshape(-1) for xy, on in clicked]
    boxes = [as_array(p.box).astype(np.float32).reshape(1, 4) for p in prompts if p.box is not None]
    return (
        np.concatenate(points) if points else None,
        np.concatenate(labels) if labels else None,
        np.concatenate(boxes) if boxes else None,
    )
