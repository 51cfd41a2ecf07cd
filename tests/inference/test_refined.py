"""Masks of second looks in a result."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samhq.image.frame import Frame
from samhq.inference.refined import _coarsened
from samhq.masks.regions import Piece


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    side=st.sampled_from([32, 128, 512]),
    squash=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_part_is_reduced_as_the_whole_mask_would_be(
    height: int, width: int, side: int, squash: bool, seed: int
) -> None:
    random, frame = np.random.default_rng(seed), Frame.fit((height, width), side, squash=squash)
    mask = np.zeros((height, width), bool)
    (x0, x1), (y0, y1) = (np.sort(random.integers(0, size, 2)) for size in (width, height))
    mask[y0 : y1 + 1, x0 : x1 + 1] = random.random((y1 - y0 + 1, x1 - x0 + 1)) < 0.7
    mask[y0, x0] = True
    size = frame.resized_hw[::-1]
    levels = np.asarray(Image.fromarray(mask.view(np.uint8) * np.uint8(255)).resize(size, Image.Resampling.BILINEAR))
    whole_mask = frame.mask_to_prompt(levels.astype(np.float32) * np.float32(20 / 255) - 10)[0]
    off = np.abs(_coarsened(Piece.of(mask), frame) - whole_mask).max()
    assert off <= 6 * 20 / 255, "in noise a few levels of 255: it is reduced in two steps"
