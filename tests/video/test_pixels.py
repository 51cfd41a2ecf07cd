from __future__ import annotations

import numpy as np
import torch

from samhq.video.pixels import frame_pixels
from tests.golden import clip


def test_frames_are_resized_as_8_bit_pictures_and_normalised() -> None:
    image = clip.frame(0, 24, 40)
    pixels = frame_pixels(image, 16)
    assert pixels.shape == (1, 3, 16, 16)
    back = pixels[0] * torch.tensor([58.395, 57.12, 57.375])[:, None, None]
    back = back + torch.tensor([123.675, 116.28, 103.53])[:, None, None]
    assert torch.allclose(back, back.round(), atol=1e-4)
    assert back.min() >= 0
    assert back.max() <= 255


def test_a_frame_of_the_models_side_keeps_its_pixels() -> None:
    image = clip.frame(0, 32, 32)
    red = frame_pixels(image, 32)[0, 0] * 58.395 + 123.675
    assert np.allclose(red.numpy(), image[..., 0], atol=1e-4)
