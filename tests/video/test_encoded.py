from __future__ import annotations

import torch

from samhq.video.encoded import EncodedFrame, PreparedFrame
from samhq.video.pixels import frame_pixels
from tests.video import small


def test_a_picture_and_its_pixels_have_the_same_features() -> None:
    picture = EncodedFrame(3, small.image(0), small.shared())
    pixels = PreparedFrame(3, frame_pixels(small.image(0), 64), small.shared())
    assert torch.equal(picture.pixels, pixels.pixels)
    assert torch.equal(picture.embedding.features, pixels.embedding.features)
    assert picture.embedding is picture.embedding
    assert (picture.frame.original_hw, picture.frame.resized_hw, picture.index) == ((40, 60), (64, 64), 3)
