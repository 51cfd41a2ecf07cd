"""Whole-image segmentation: the network decodes a grid of points, and masks with good scores are kept.

`propose` runs the network. `samhq.results.proposals.keep` then chooses among its proposals by scores and boxes, and can
be called again with other thresholds. Knows nothing of files.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), section 5 and appendix B; segment-anything,
automatic_mask_generator.py; same parameters, defaults and order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8

from samhq.device import to_device
from samhq.image.crops import Crop, crop_boxes
from samhq.image.frame import Frame
from samhq.image.transform import SquareForm, to_pixels
from samhq.inference.candidates import scored_candidates
from samhq.inference.drafts import Drafts
from samhq.inference.enlarge import Enlarged, Enlarger
from samhq.masks import runs
from samhq.model.sam import Sam
from samhq.progress import Watch
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.filters import near_crop_edge, stability_score
from samhq.results.proposals import Best, Proposal, Proposals
from samhq.types import FOREGROUND, ImageEmbedding, Prompts

_CPU_TOKENS = 4 * 64 * 64  #: Image tokens of all points to decode at a time on a CPU: 16 MB for each of their maps.


@torch.inference_mode()
def propose(
    model: Sam,
    image: UInt8[np.ndarray, "H W 3"],
    config: AutomaticConfig,
    *,
    embedding: ImageEmbedding | None = None,
    keep_all: bool = False,
    watch: Watch | None = None,
) -> Proposals:
    """Every mask that passes the IoU and stability thresholds and is not cut off by its crop, in order of points.

    `embedding` is the picture's own, if it is already known. With `keep_all` no threshold is applied, so that `keep`
    can use any later. Masks that fail the IoU threshold are never computed at full size. Only the outlines of masks are
    kept, never full-size logits.

    Raises:
        ConfigError: `hq` asks for something that the model does not have.
    """
    size_hw = (image.shape[0], image.shape[1])
    boxes = crop_boxes(size_hw, config.crop_n_layers, config.crop_overlap_ratio)
    passing = config
    if keep_all:
        passing = config.replace(pred_iou_thresh=0.0, stability_score_thresh=0.0, draft_first=False)
    grids = [config.grid(layer) for _, layer in boxes]
    proposals: list[Proposal] = []
    best = Best()
    done, total = 0, sum(map(len, grids))
    for number, ((crop, _), grid) in enumerate(zip(boxes, grids, strict=True)):
        view = _Crop.encoded(model, image, crop, number, passing, embedding if number == 0 else None)
        for points in _batches(grid * view.size_wh, _batch(model, config)):
            new, reached = view.proposals(model, points, passing)
            proposals += new
            best = best.with_(reached)
            done += len(points)
            if watch is not None:
                watch(done, total)
    return replace(Proposals.of(size_hw, [crop for crop, _ in boxes], proposals), best=best)


@dataclass(frozen=True, eq=False)
class _Crop:
    """A part of the picture as the network sees it."""

    crop: Crop
    number: int
    size_hw: tuple[int, int]  #: Size of the whole picture.
    frame: Frame
    embedding: ImageEmbedding
    enlarger: Enlarger
    drafts: Drafts | None

    @classmethod
    def encoded(
        cls,
        model: Sam,
        image: np.ndarray,
        crop: Crop,
        number: int,
        config: AutomaticConfig,
        embedding: ImageEmbedding | None,
    ) -> _Crop:
        """The crop, encoded unless `embedding` is given."""
        x0, y0, x1, y1 = crop
        form = SquareForm.for_model(model.config)
        frame = Frame.fit((y1 - y0, x1 - x0), form.side, squash=form.squashed)
        if embedding is None:
            pixels, _ = to_pixels(image[y0:y1, x0:x1], form)
            embedding = model.encode(to_device(pixels, model.device))
        enlarger = Enlarger(frame, 4 * model.config.grid, model.device)
        drafts = Drafts(frame, crop, config) if config.draft_first else None
        return cls(crop, number, (image.shape[0], image.shape[1]), frame, model.prepared(embedding), enlarger, drafts)

    @property
    def size_wh(self) -> np.ndarray:
        return np.array(self.frame.original_hw[::-1])

    def proposals(self, model: Sam, points: np.ndarray, config: AutomaticConfig) -> tuple[list[Proposal], Best]:
        """The proposals of a batch of points [N,2], in pixels of the crop, and the highest scores of its masks."""
        prompts = self._prompts(points)
        scores, passing, logits = scored_candidates(model, self.embedding, prompts, config, self.drafts)
        rows = points[passing.nonzero()[:, 0].cpu().numpy()] + self.crop[:2]
        masks = self.enlarger.masks(logits, config.mask_threshold, config.stability_score_offset)
        proposals, best = [], Best(float(scores.max()))
        for mask, iou, point in zip(masks, scores[passing].tolist(), rows.tolist(), strict=True):
            stability = stability_score(mask.above, mask.below)
            best = best.with_(Best(None, stability))
            if config.stability_score_thresh <= 0 or stability >= config.stability_score_thresh:
                changes, box = self._placed(mask)
                if not near_crop_edge(np.array([box]), self.crop, self.size_hw)[0]:
                    proposals.append(Proposal(self.number, tuple(point), box, iou, stability, changes))
                    if self.drafts is not None:
                        self.drafts.add(box, iou)
        return proposals, best

    def _prompts(self, points: np.ndarray) -> Prompts:
        places = torch.from_numpy(self.frame.points_to_model(points))[:, None]
        labels = torch.full(places.shape[:2], FOREGROUND, dtype=torch.int64)
        return Prompts(labels.new_zeros(len(places)), places, labels)

    def _placed(self, mask: Enlarged) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """The mask's changes in the whole picture, and its box there; for an empty mask the crop's corner."""
        height, width = self.size_hw
        changes = mask.changes(self.crop, height)
        x, y = self.crop[:2]
        box = runs.box(changes, height) if len(changes) else (x, y, x, y)
        return changes.astype(np.uint32 if height * width < 1 << 32 else np.int64), box


def _batch(model: Sam, config: AutomaticConfig) -> int:
    """The number of points to decode at a time: on a CPU 4 for SAM's grid of 64 x 64, more for smaller grids."""
    if model.device.type != "cpu":
        return config.points_per_batch
    return min(config.points_per_batch, max(1, _CPU_TOKENS // model.config.grid**2))


def _batches(points: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (points[start : start + size] for start in range(0, len(points), size))
