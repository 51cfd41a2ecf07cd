"""A picture without edges, and a place on Earth, for tests of sources."""

from __future__ import annotations

import numpy as np

TRANSFORM = (0.5, 0.0, 300_000.0, 0.0, -0.5, 5_000_000.0)


def smooth(height: int = 90, width: int = 130, channels: int = 3) -> np.ndarray:
    """A picture of gentle waves, uint8."""
    rows, columns, phase = np.ogrid[:height, :width, :channels]
    return np.asarray(127 + 60 * np.sin(rows / 9 + phase) + 60 * np.cos(columns / 11)).astype(np.uint8)
