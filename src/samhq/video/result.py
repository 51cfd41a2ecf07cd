"""The masks of one frame. Knows nothing about networks or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samhq.errors import ConfigError
from samhq.image.draw import overlay
from samhq.shapes import Bool, Float32, UInt, UInt8


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """The objects on one frame: `masks` [P,H,W] at the video's size, in order of `ids`.

    `scores` [P] in 0..1: for objects followed with memory the model's probability that the object is visible, else the
    predicted IoU of its mask. `labels` are the objects' names, None for objects without one. An object that is not on
    the frame has an empty mask.
    """

    index: int
    image: UInt8[np.ndarray, "H W 3"]
    ids: tuple[int, ...]
    masks: Bool[np.ndarray, "P H W"]
    scores: Float32[np.ndarray, " P"]
    labels: tuple[str | None, ...]

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"FrameMasks({self.index}, {height}x{width}, objects {list(self.ids)})"

    def __len__(self) -> int:
        return len(self.ids)

    def mask(self, object_id: int) -> Bool[np.ndarray, "H W"]:
        """The mask of one object; empty if it is not followed on this frame."""
        if object_id in self.ids:
            return self.masks[self.ids.index(object_id)]
        return np.zeros(self.image.shape[:2], bool)

    def label_map(self) -> UInt[np.ndarray, "H W"]:
        """The objects' ids by pixel, 0 without an object; where objects overlap, the smaller one.

        Raises:
            ConfigError: an id below 1.
        """
        return id_map(self.ids, self.masks)

    def overlay(self, alpha: float = 0.5) -> UInt8[np.ndarray, "H W 3"]:
        """The frame with its masks in colour; an object keeps its colour from frame to frame."""
        return overlay(self.image, self.masks, alpha=alpha, numbers=[max(number, 1) - 1 for number in self.ids])


def id_map(ids: Sequence[int], masks: Bool[np.ndarray, "P H W"]) -> UInt[np.ndarray, "H W"]:
    """Ids by pixel in the smallest unsigned type that can hold them; smaller objects lie over larger ones.

    >>> id_map([7], np.array([[[True, False]]])).tolist()
    [[7, 0]]

    Raises:
        ConfigError: an id below 1, or one that no unsigned type holds.
    """
    wrong = [number for number in ids if not 1 <= number < 2**63]
    if wrong:
        raise ConfigError(f"Expected object numbers from 1 in label maps, got {wrong[0]}. Number the objects anew.")
    values = np.zeros(masks.shape[1:], np.min_scalar_type(max([1, *ids])))
    for row in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        values[masks[row]] = ids[row]
    return values
