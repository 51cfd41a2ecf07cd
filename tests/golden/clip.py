"""A test clip that anyone can make again: a disc and a tilted square that move past each other behind a post.

Frame t does not depend on the clip's length, so the beginning of a clip is a clip.
"""

from __future__ import annotations

import numpy as np


def centre(t: int, shape: int, seed: int = 0) -> tuple[float, float]:
    """Where a shape (1 the disc, 2 the square) is at time t: (x, y) as parts of width and height."""
    if shape == 1:
        return 0.24 + 0.05 * t, 0.46 + 0.10 * np.sin(0.7 * t + 0.5 * seed)
    return 0.80 - 0.045 * t, 0.58 + 0.08 * np.cos(0.6 * t + 0.3 * seed)


def mask(t: int, shape: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """The whole of one shape, bool [height, width], as if nothing stood before it."""
    y, x = _pixels(height, width)
    middle_x, middle_y = centre(t, shape, seed)
    dx, dy = (x - middle_x) * width / height, y - middle_y
    if shape == 1:
        return dx**2 + dy**2 < 0.19**2
    angle = 0.35 + 0.12 * t
    u, v = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    return np.maximum(np.abs(u), np.abs(v)) < 0.15


def frame(t: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """The frame at time t, uint8 RGB [height, width, 3]: waves, the two shapes, a post before them, noise."""
    y, x = _pixels(height, width)
    red = 110 + 60 * np.sin(9 * x + 0.2 * t) * np.cos((6 + seed) * y)
    green = 120 + 70 * np.sin((8 + seed) * (x + y))
    blue = 90 + 50 * np.cos(11 * x - 6 * y)
    picture = np.stack([red, green, blue], -1)
    square, disc = mask(t, 2, height, width, seed), mask(t, 1, height, width, seed)
    stripes = 40 * ((20 * (x - y)) % 2 < 1)
    picture[square] = np.stack([60 + stripes, 60 + 0 * x, 200 - stripes], -1)[square]
    picture[disc] = np.stack([225 - 60 * y, 170 - 80 * x, 40 + 0 * x], -1)[disc]
    picture[np.abs(x - 0.55) < 0.025] = (35, 40, 30)
    noise = np.random.Generator(np.random.PCG64(7000 + 100 * seed + t)).integers(-10, 11, (height, width, 3))
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _pixels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the pixels as parts of the height (rows) and of the width (columns)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    return (y + 0.5) / height, (x + 0.5) / width
