"""The clips that models are measured on: the mask is where the object is, and it moves."""

from __future__ import annotations

import numpy as np
from benchmarks.follow import SIZE, Clip, means, moving, table
from benchmarks.starter import Case


def clip() -> Clip:
    image = np.full((200, 300, 3), (20, 200, 30), np.uint8)
    mask = np.zeros((200, 300), bool)
    mask[50:120, 100:180] = True
    image[mask] = (220, 30, 30)
    return moving(Case("drawn", image, [mask]), np.full((180, 320, 3), 90, np.uint8), 6, np.random.default_rng(3))


def test_masks_are_where_the_object_is_and_move() -> None:
    made = clip()
    centres = []
    for frame, mask in zip(made.frames, made.masks, strict=True):
        assert frame.shape == (SIZE[1], SIZE[0], 3)
        red = frame[..., 0] > 150
        assert (red & mask).sum() / (red | mask).sum() > 0.95
        assert (frame[~mask & ~red] == 90).mean() > 0.95
        centres.append(np.argwhere(mask).mean(0))
    assert np.linalg.norm(centres[0] - centres[-1]) > 10


def test_means_leave_out_the_given_frame() -> None:
    made = clip()
    nothing = np.zeros_like(made.masks[0])
    assert means([nothing, *made.masks[1:]], made) == (1.0, 1.0)
    assert means([*made.masks[:-1], nothing], made) == (0.8, 0.0)
    rows = [{"kind": "drawn", "matching": (0.8, 0.4), "last box": (0.5, 0.6), "true box": (1.0, 1.0)}]
    assert "| matching | 0.800 | 0.400 | 0 of 1 |" in table(rows)
