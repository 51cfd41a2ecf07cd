"""All objects of a picture as one map of numbers without overlaps, in memory and as a PNG of 8 or 16 bits.

A pixel's value is the number of its object in the picture, from 1; 0 is the background.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from samhq.config import Order
from samhq.errors import ConfigError
from samhq.image.draw import colour
from samhq.image.files import save_picture
from samhq.results.picture import Picture
from samhq.shapes import UInt


def label_map(picture: Picture, order: Order = "area") -> UInt[np.ndarray, "H W"]:
    """The map [H,W] in the smallest of uint8, uint16 and uint32 that holds the objects' numbers.

    Where objects overlap, the smaller one wins ("area"), or the one with the better score ("score"; objects without
    a score lie below all others). An object that is covered entirely does not appear.

    Raises:
        ConfigError: another order.
    """
    if order not in ("area", "score"):
        raise ConfigError(f"Expected order 'area' or 'score', got {order!r}. Use one of these.")
    values = np.zeros(picture.size_hw, np.min_scalar_type(len(picture.annotations)))
    for number, annotation in sorted(
        picture.objects, key=lambda o: -o[1].area if order == "area" else _known(o[1].confidence)
    ):
        x, y, width, height = annotation.bbox_xywh
        values[y : y + height, x : x + width][annotation.cropped] = number
    return values


def palette(count: int = 256) -> list[tuple[int, int, int]]:
    """The colours of the values: black for 0, then the colours of overlays.

    >>> palette(2)
    [(0, 0, 0), (86, 180, 233)]
    """
    return [(0, 0, 0), *(colour(index) for index in range(count - 1))]


def write_label_map(picture: Picture, path: Path, order: Order = "area") -> Path:
    """The map as PNG: up to 255 objects as 8 bits with a palette, up to 65535 as 16 bits grey.

    Pillow reads the numbers; OpenCV would read the palette's colours.

    Raises:
        ConfigError: more than 65535 objects, or another order.
    """
    values = label_map(picture, order)
    if values.dtype.itemsize > 2:
        raise ConfigError(f"Expected at most 65535 objects in a PNG, got {len(picture.annotations)}. Write GeoTIFF.")
    png = Image.fromarray(values)
    if values.dtype == np.uint8:
        png.putpalette([level for rgb in palette() for level in rgb])
    return save_picture(png, path)


def _known(score: float | None) -> float:
    return float("-inf") if score is None else score
