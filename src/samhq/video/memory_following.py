"""Follows objects with the memory of SAM 2. Prompts and masks are in the video's pixels, unlike those of `tracker`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samhq.config import BOTTOM_RIGHT, TOP_LEFT
from samhq.model.sam2.memory import at_model_side
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import mask_array, mask_logits, prompt_arrays
from samhq.shapes import UInt8
from samhq.video.encoded import EncodedFrame
from samhq.video.following import Shown, Tracked
from samhq.video.memory import Remembered
from samhq.video.saved import restore, tracker_state
from samhq.video.tracker import Clicks, ObjectTracker, absent_logits, at_video_size, square_mask


class MemoryFollowing:
    """Follows objects with SAM 2's memory."""

    def __init__(self, tracker: ObjectTracker) -> None:
        self.tracker = tracker

    @property
    def objects(self) -> Mapping[int, Tracked]:
        """The objects with prompts on frames that have come."""
        return self.tracker.objects

    def encode(self, image: UInt8[np.ndarray, "H W 3"], index: int) -> EncodedFrame:
        """The frame with this number; the encoder runs when its features are first needed."""
        return self.tracker.encode(image, index)

    def prompt(self, video_frame: EncodedFrame, object_id: int, prompt: Prompt) -> None:
        """Sets the object's mask on a frame. Points without a box or mask are added to earlier points there.

        Raises:
            PromptError: wrong shapes, ranges, order or labels.
        """
        mask, clicks = _in_model_pixels(prompt, video_frame)
        if mask is not None:
            self.tracker.mask(video_frame, object_id, mask)
        if clicks is not None:
            joins_earlier = prompt.box is None and prompt.mask is None
            self.tracker.click(video_frame, object_id, clicks, more=joins_earlier)

    def remember(self) -> None:
        """Makes the memories of all prompts since the last call."""
        self.tracker.remember()

    def follow(
        self, video_frame: EncodedFrame, *, reverse: bool = False, only: Collection[int] | None = None
    ) -> dict[int, Remembered]:
        """The answers of the objects on the next frame."""
        return self.tracker.follow(video_frame, reverse=reverse, only=only)

    @torch.inference_mode()
    def shown(self, video_frame: EncodedFrame, answers: Sequence[Remembered | None], *, overlap: bool) -> Shown:
        """Masks at the video's size with the probabilities that the objects are visible."""
        height, width = video_frame.frame.original_hw
        if not answers:
            return np.zeros((0, height, width), bool), np.zeros(0, np.float32)
        remembered = [self._absent() if answer is None else answer for answer in answers]
        logits = torch.cat([answer.logits for answer in remembered])
        masks = (at_video_size(logits, video_frame.frame, overlap=overlap)[:, 0] > 0).cpu().numpy()
        score = torch.cat([answer.object_score for answer in remembered])
        return masks, score[:, 0].float().sigmoid().cpu().numpy()

    def remove(self, object_id: int) -> None:
        """Forgets an object. Raises PromptError: there is none."""
        self.tracker.remove(object_id)

    def saved(self) -> dict[int, dict[str, Any]]:
        """The objects with their memories and clicks."""
        return tracker_state(self.tracker)

    def restore(self, state: dict[int, dict[str, Any]]) -> None:
        """Replaces the objects by those of `saved`."""
        restore(self.tracker, state)

    def _absent(self) -> Remembered:
        model = self.tracker.model
        never = torch.full((1, 1), -torch.inf, device=model.device)
        return Remembered(absent_logits(model.config.grid, model.device), model.no_obj_ptr, never)


def _in_model_pixels(prompt: Prompt, video_frame: EncodedFrame) -> tuple[Float[Tensor, "S S"] | None, Clicks | None]:
    """A prompt's mask at the model's side, and its points with the corners of its box before them.

    Raises:
        PromptError: wrong shapes, ranges, order or labels.
    """
    frame, mask = video_frame.frame, None
    if prompt.mask is not None:
        low = mask_logits(prompt.mask, frame)
        mask_prompt = mask_array(prompt.mask, frame.original_hw)
        if mask_prompt.dtype == np.bool_:
            mask = square_mask(torch.from_numpy(np.ascontiguousarray(mask_prompt)).float(), frame.side)
        else:
            mask = (at_model_side(torch.from_numpy(low)[None], frame.side)[0, 0] > 0).float()
    if prompt.points is None and prompt.box is None and mask is not None:
        return mask, None
    arrays = prompt_arrays([replace(prompt, mask=None)], frame)
    clicks = Clicks(torch.from_numpy(arrays.points[0]), torch.from_numpy(arrays.labels[0]))
    if arrays.boxes is not None:
        corners = torch.from_numpy(arrays.boxes).reshape(2, 2)
        clicks = Clicks(corners, torch.tensor([TOP_LEFT, BOTTOM_RIGHT])) + clicks
    return mask, clicks
