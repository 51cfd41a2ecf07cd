"""Results shown to people: PNG bytes for notebooks, and axes of matplotlib.

Needs matplotlib for the second, which comes with the extra `plot`.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from samhq.extras import from_extra
from samhq.shapes import UInt8

SIDE = 1024  #: pixels; a notebook keeps its outputs, so larger pictures are shown smaller


def png(pixels: UInt8[np.ndarray, "H W 3"], side: int = SIDE) -> bytes:
    """The picture as a PNG file, its longer side at most `side` pixels.

    >>> png(np.zeros((9, 9, 3), np.uint8))[1:4]
    b'PNG'
    """
    shown = Image.fromarray(pixels)
    shown.thumbnail((side, side))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()


def plot(pixels: UInt8[np.ndarray, "H W 3"], axes: Any = None, title: str = "") -> Any:
    """matplotlib's `Axes` with the picture, without ticks; `axes` or, if None, those of a new figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with from_extra("plot", "plots"):
        from matplotlib import pyplot
    axes = pyplot.subplots()[1] if axes is None else axes
    axes.imshow(pixels)
    axes.set_title(title)
    axes.set_axis_off()
    return axes


def box_columns(box: np.ndarray) -> dict[str, int]:
    """A box (x0, y0, x1, y1) as four columns of a table.

    >>> box_columns(np.array([1, 2, 3, 4]))
    {'x0': 1, 'y0': 2, 'x1': 3, 'y1': 4}
    """
    return dict(zip(("x0", "y0", "x1", "y1"), np.asarray(box).astype(int).tolist(), strict=True))
