"""What the tests of transformers' interface share: pictures and tensors of their pixels."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from tests import tiny

SIDE = tiny.HQ.side


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def pixels(images: int = 1) -> torch.Tensor:
    return tiny.pixels(tiny.HQ, images)
