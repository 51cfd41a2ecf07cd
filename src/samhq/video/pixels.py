"""A video's frame as network input. Knows nothing about videos or networks.

Source: facebookresearch/sam2, utils/misc.py: frames are resized by Pillow as 8-bit pictures, pictures as floats.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from samhq.encoder_config import IMAGENET, Normalisation


def frame_pixels(
    image: UInt8[np.ndarray, "H W 3"], side: int, normalisation: Normalisation = IMAGENET
) -> Float[Tensor, "1 3 S S"]:
    """The frame, squashed into a square by bicubic interpolation on 8-bit values and normalised.

    >>> frame_pixels(np.zeros((2, 3, 3), np.uint8), 4).shape
    torch.Size([1, 3, 4, 4])
    """
    square = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float32)
    mean, std = (np.asarray(value, np.float32) for value in normalisation)
    values = (square - mean) / std
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
