"""What the tests of writers share: masks of every nasty kind, and a filler of outlines to read them back with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samhq.masks import rle
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture


def nested(height: int, width: int, step: int) -> np.ndarray:
    """Rings in rings: an object in a hole in an object, up to the border."""
    y, x = np.ogrid[:height, :width]
    inwards = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
    return inwards // step % 2 == 0


def one_pixel(height: int, width: int, place: int) -> np.ndarray:
    mask = np.zeros(height * width, bool)
    mask[place % mask.size] = True
    return mask.reshape(height, width)


_SIDE = st.integers(1, 24)
masks = st.one_of(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)),
    st.builds(lambda h, w, value: np.full((h, w), value), _SIDE, _SIDE, st.booleans()),
    st.builds(nested, _SIDE, _SIDE, st.integers(1, 3)),
    st.builds(one_pixel, _SIDE, _SIDE, st.integers(0, 999)),
    st.builds(lambda h, w: np.indices((h, w)).sum(axis=0) % 2 == 0, _SIDE, _SIDE),
)


def annotation(mask: np.ndarray, label: str = "object", score: float | None = None, **more: Any) -> Annotation:
    return Annotation(rle.encode(mask), label, score, **more)


def picture(*found: np.ndarray, file_name: str = "cat.jpg", **more: Any) -> Picture:
    return Picture(file_name, found[0].shape, tuple(map(annotation, found)), **more)


def scene(file_name: str = "cat.jpg", seed: int = 0, **more: Any) -> Picture:
    """Three objects that do not meet, of two labels, one with a hole and one in two parts; one without pixels."""
    wheel, pair, dot = (np.zeros((40, 60), bool) for _ in range(3))
    wheel[4:20, 5:25] = True
    wheel[9:14, 10:17] = False
    pair[22:30, 2:12] = pair[33:38, 30:59] = True
    dot[39, 0] = True
    image = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    found = (
        annotation(wheel, "wheel", 0.9, stability=0.97, point=(6.0, 5.0), crop=(0, 0, 60, 40)),
        annotation(pair, "pair & <co>", 0.8),
        annotation(np.zeros((40, 60), bool), "nothing", 0.7),
        annotation(dot, "wheel"),
    )
    return Picture(file_name, (40, 60), found, image, model="test", **more)


def filled(rings: Iterable[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres are inside by the even-odd rule, bool [H,W]; rings [N,2] need not be closed."""
    height, width = size_hw
    inside = np.zeros((height, width), bool)
    centres = np.arange(width) + 0.5
    for ring in rings:
        ends = np.stack([ring, np.roll(ring, -1, axis=0)], axis=1).astype(float)
        for (x0, y0), (x1, y1) in (sorted(edge.tolist(), key=lambda p: (p[1], p[0])) for edge in ends):
            for row in range(max(0, int(np.floor(y0 - 0.5))), min(height, int(np.ceil(y1)) + 1)):
                if y0 <= row + 0.5 < y1:
                    inside[row] ^= centres > x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return inside
