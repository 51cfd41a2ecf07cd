"""Turns pictures into network input: resize, normalise, pad.

Knows arrays and tensors of pixels; nothing of files, prompts or networks.

Source: segment-anything, utils/transforms.py and modeling/sam.py (`preprocess`); SAM 2, sam2/utils/transforms.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from samhq.config import ModelConfig
from samhq.encoder_config import IMAGENET, Normalisation
from samhq.errors import ImageError
from samhq.image.frame import Frame, resize_antialiased
from samhq.image.rgb import rgb_pixels
from samhq.shapes import Float, Float32, Shaped, UInt8


def resize_longest(image: UInt8[np.ndarray, "H W 3"], side: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with its longer side scaled to `side`, up or down, uint8 RGB, aspect kept.

    Uses Pillow's bilinear filter, antialiased when it shrinks and rounded to whole levels: bit for bit what the
    original models were trained and are run with. A picture that already fits is returned unchanged.

    >>> resize_longest(np.zeros((300, 450, 3), np.uint8), 1024).shape
    (683, 1024, 3)

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    image = rgb_pixels(image)
    height, width = Frame.fit(image.shape[:2], side).resized_hw
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def squash(image: UInt8[np.ndarray, "H W 3"], side: int) -> Float32[np.ndarray, "side side 3"]:
    """The picture with both sides scaled to `side`, in 0..255, not rounded to whole levels.

    Bilinear and antialiased on floats, as in SAM 2.

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    image = rgb_pixels(image)
    channels = (Image.fromarray(np.ascontiguousarray(image[..., i], np.float32)) for i in range(3))
    return np.stack(
        [np.asarray(channel.resize((side, side), Image.Resampling.BILINEAR)) for channel in channels], axis=2
    )


@dataclass(frozen=True)
class SquareForm:
    """The square input of a model: its side in pixels, its normalisation, and whether pictures fill it (`squash`)."""

    side: int
    normalisation: Normalisation = IMAGENET
    squashed: bool = False

    @classmethod
    def for_model(cls, config: ModelConfig) -> SquareForm:
        """The input of a model's encoder."""
        return cls(config.side, config.encoder.normalisation, config.second)

    def frame(self, size_hw: tuple[int, int]) -> Frame:
        """The frame of a picture of this size (height, width).

        Raises:
            ImageError: a side that is not positive.
        """
        return Frame.fit(size_hw, self.side, squash=self.squashed)


def to_square(image: UInt8[np.ndarray, "H W 3"], form: SquareForm) -> tuple[Float32[np.ndarray, "1 3 S S"], Frame]:
    """The network's input [1,3,side,side], float32, and the frame that maps coordinates and masks.

    RGB in 0..255 is resized by `resize_longest`, normalised, and padded right and below with zeros, which are the mean
    colour. In a squashed form it is resized by `squash` and fills the square.

    >>> pixels, frame = to_square(np.zeros((2, 4, 3), np.uint8), SquareForm(16))
    >>> pixels.shape, frame.resized_hw, round(pixels[0, 0, 0, 0].item(), 4)
    ((1, 3, 16, 16), (8, 16), -2.1179)

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    side = form.side
    resized: np.ndarray = squash(image, side) if form.squashed else resize_longest(image, side)
    pixels = np.zeros((1, 3, side, side), np.float32)
    content = pixels[0, :, : resized.shape[0], : resized.shape[1]]
    np.copyto(content, resized.transpose(2, 0, 1))
    mean, std = (np.array(values, np.float32)[:, None, None] for values in form.normalisation)
    content -= mean
    content /= std
    return pixels, form.frame((image.shape[0], image.shape[1]))


def to_pixels(image: UInt8[np.ndarray, "H W 3"], form: SquareForm) -> tuple[Float[Any, "1 3 S S"], Frame]:
    """The network's input as a CPU tensor; otherwise as `to_square`.

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    import torch

    pixels, frame = to_square(image, form)
    return torch.from_numpy(pixels), frame


def to_pixels_fast(image: UInt8[np.ndarray, "H W 3"], form: SquareForm) -> tuple[Float[Any, "1 3 S S"], Frame]:
    """As `to_pixels`, five times as fast, but not bit for bit as in the original models.

    For our own steps, such as the second look: after the resize one value in a thousand is one level of 255 off.
    """
    import torch

    image = rgb_pixels(image)
    frame = form.frame((image.shape[0], image.shape[1]))
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    if frame.resized_hw != image.shape[:2]:
        planes = resize_antialiased(planes.float() if form.squashed else planes, frame.resized_hw)
    return normalise_and_pad(planes, form.side, form.normalisation), frame


def resize_longest_torch(images: Shaped[Any, "I C H W"], side: int) -> Float[Any, "I C h w"]:
    """Pictures of one size with the longer side scaled to `side`, as floats on their own device.

    Bilinear with antialiasing, without rounding to whole levels, so close to `resize_longest` but not equal to it.
    Integers become float32, floats keep their dtype and their gradient.

    >>> import torch
    >>> resize_longest_torch(torch.zeros(2, 3, 500, 200), 1024).shape
    torch.Size([2, 3, 1024, 410])

    Raises:
        ImageError: not four-dimensional, or a picture without pixels.
    """
    if images.ndim != 4:
        raise ImageError(
            f"Expected pictures [I, C, H, W], got shape {list(images.shape)}. Add the batch axis with images[None], "
            "or move the channels forward with permute(2, 0, 1)."
        )
    height, width = images.shape[-2:]
    resized_hw = Frame.fit((height, width), side).resized_hw
    floats = images if images.is_floating_point() else images.float()
    if resized_hw == (height, width):
        return floats
    return resize_antialiased(floats, resized_hw)


def normalise_and_pad(
    images: Shaped[Any, "I 3 h w"], side: int, normalisation: Normalisation = IMAGENET
) -> Float[Any, "I 3 S S"]:
    """Resized RGB pictures in 0..255 as network input [I,3,side,side]: normalised, then zeros right and below.

    The input is not changed. Integers give float32, floats keep their dtype.

    Raises:
        ImageError: not [I,3,h,w], or higher or wider than `side`.
    """
    if images.ndim != 4 or images.shape[1] != 3 or max(images.shape[-2:]) > side:
        raise ImageError(
            f"Expected RGB pictures [I, 3, h, w] with h and w up to {side}, got shape {list(images.shape)}. "
            "Resize them first, with resize_longest_torch for instance."
        )
    import torch

    height, width = images.shape[-2:]
    dtype = images.dtype if images.is_floating_point() else torch.float32
    pixels = torch.zeros(images.shape[0], 3, side, side, dtype=dtype, device=images.device)
    content = pixels[..., :height, :width]
    content.copy_(images)
    mean, std = (content.new_tensor(values).view(3, 1, 1) for values in normalisation)
    content.sub_(mean).div_(std)
    return pixels
