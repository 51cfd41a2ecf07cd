"""The drawn video that all parties follow, and its tracking by this library. Knows nothing of clocks or peers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from samhq.image.frame import Frame
from samhq.model.sam2.sam2 import Sam2
from samhq.video.encoded import EncodedFrame
from samhq.video.memory import Remembered
from samhq.video.tracker import Clicks, ObjectTracker


def drawn(number: int, size_hw: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """One frame: a bright square that moves to the right over a grey ramp.

    >>> drawn(0, (48, 64)).shape
    (48, 64, 3)
    """
    height, width = size_hw
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = np.linspace(40, 140, width, dtype=np.uint8)[:, None]
    side, top = height // 4, height * 3 // 8
    left = width // 8 + number * width // 256 % (width // 2)
    frame[top : top + side, left : left + side] = (220, 200, 60)
    return frame


def first_click(size_hw: tuple[int, int]) -> tuple[float, float]:
    """A place (x, y) inside the square on the first frame."""
    height, width = size_hw
    return width / 8 + height / 8, height / 2


class Stream:
    """One object of the drawn video, followed frame by frame, its memory as long as the library keeps it."""

    def __init__(self, model: Sam2, size_hw: tuple[int, int]) -> None:
        self.tracker, self.size_hw, self.index = ObjectTracker(model), size_hw, 0

    def next(self) -> Float[Tensor, "1 1 G G"]:
        """The object's low-resolution logits on the next frame; the first one is clicked on."""
        frame = self.tracker.encode(drawn(self.index, self.size_hw), self.index)
        remembered = self.tracker.follow(frame)[1] if self.index else self._click(frame)
        self.index += 1
        return remembered.logits

    def _click(self, encoded: EncodedFrame) -> Remembered:
        frame = Frame.fit(self.size_hw, self.tracker.model.config.side, squash=True)
        place = frame.points_to_model(np.array([first_click(self.size_hw)], np.float32))
        remembered = self.tracker.click(encoded, 1, Clicks(torch.from_numpy(place), torch.ones(1, dtype=torch.int64)))
        self.tracker.remember()
        return remembered
