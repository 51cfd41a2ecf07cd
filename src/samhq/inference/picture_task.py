"""One picture of a call: its prompts, the objects that need a first look, and the result. Runs no first look itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from samhq.inference.first_look import Coarse
from samhq.inference.opened import Opened
from samhq.inference.refined import with_refined
from samhq.inference.second_look import Refiner, after_boxes
from samhq.results.native import Refined
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation
from samhq.types import ImageEmbedding, LowRes


@dataclass(frozen=True, eq=False)
class PictureTask:
    """A picture and its prompts; without a `refiner` objects get no second look."""

    picture: Opened[ImageEmbedding]
    prompts: tuple[Prompt, ...]
    refiner: Refiner | None
    boxes_only: bool  #: Whether only prompts with boxes get a second look.

    @cached_property
    def by_boxes(self) -> list[Refined | None]:
        """The objects whose box alone decides, segmented when this is first asked for; None for the others."""
        return [None] * len(self.prompts) if self.refiner is None else self.refiner.by_boxes(self.prompts)

    @property
    def first_wanted(self) -> list[bool]:
        """For each prompt, whether it needs a first look."""
        return [item is None for item in self.by_boxes]

    def result(self, low: LowRes, model: str) -> Segmentation:
        """The result from the first looks of all prompts, after second looks at objects that had none yet.

        `model` is the model's name. Rows of `low` whose first look is not wanted are not used.
        """
        frame, refined = self.picture.frame, self._refined(low)
        painted = [item is None for item in refined]
        if all(painted):
            candidates = frame.masks_to_image(low.logits).cpu().numpy()
        else:
            candidates = np.zeros((*low.logits.shape[:2], *frame.original_hw), bool)
            candidates[painted] = frame.masks_to_image(low.logits[torch.tensor(painted)]).cpu().numpy()
        result = Segmentation(
            image=self.picture.image,
            candidates=candidates,
            candidate_scores=low.iou.float().cpu().numpy(),
            low_res_logits=low.logits.float().cpu().numpy(),
            prompts=self.prompts,
            frame=frame,
            model=model,
            file_name=self.picture.file_name,
        )
        return result if all(painted) else with_refined(result, refined)

    def _refined(self, low: LowRes) -> list[Refined | None]:
        """The objects with a second look; None where the first mask stays."""
        if self.refiner is None:
            return self.by_boxes

        def first(rows: Sequence[int]) -> list[Coarse]:
            return [Coarse(low.logits[row, 0].float().cpu(), self.picture.frame) for row in rows]

        return after_boxes(self.refiner, self.prompts, self.by_boxes, first, boxes_only=self.boxes_only)
