"""Frames of a video with the encoder's features, before any memory. Knows nothing about objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from samhq.device import to_device
from samhq.image.frame import Frame
from samhq.model.sam2.sam2 import Sam2
from samhq.types import ImageEmbedding
from samhq.video.pixels import frame_pixels


@dataclass(eq=False)
class PreparedFrame:
    """A frame as the network's pixels, with its embedding; the encoder runs when that is first needed."""

    index: int
    pixels: Float[Tensor, "1 3 S S"]
    model: Sam2

    @cached_property
    def embedding(self) -> ImageEmbedding:
        """The encoder's features of this frame."""
        with torch.inference_mode():
            return self.model.encode_raw(to_device(self.pixels, self.model.device))


class EncodedFrame(PreparedFrame):
    """A frame as a picture, with its embedding; the encoder runs when that is first needed."""

    def __init__(self, index: int, image: UInt8[np.ndarray, "H W 3"], model: Sam2) -> None:
        self.index, self.image, self.model = index, image, model

    @property
    def pixels(self) -> Float[Tensor, "1 3 S S"]:  # type: ignore[override]
        """The frame as the network's input."""
        config = self.model.config
        return frame_pixels(self.image, config.side, config.encoder.normalisation)

    @property
    def frame(self) -> Frame:
        """The map between the video's pixels and the model's."""
        height, width = self.image.shape[:2]
        return Frame.fit((height, width), self.model.config.side, squash=True)
