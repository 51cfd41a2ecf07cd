"""Converts numbers of any type to eight-bit levels, a strip of rows at a time, without a second picture in memory.

Knows arrays and PIL images; nothing of files, masks or the content of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.shapes import Shaped, UInt8

_OVERSHOOT = 0.02  #: A float picture may leave its range by this share of it, because bicubic filters overshoot.
_DARKEST = 8.0  #: Floats with a maximum between 1 and this are radiance or normalised data, not 0..255.
_TWELVE_BITS = 4095  #: Values of 16 bits that stay below are those of a 12-bit camera or scanner, or reflectances.
_STRIP = 1 << 18  #: Pixels of a strip.

#: What to do with values that have no clear black and white.
_STRETCH = "stretch the values: --stretch 2,98 on the command line, samhq.as_rgb(values) in Python; or save 8 bits."

#: Returns the rows [h,W] or [h,W,C] of a slice.
Rows = Callable[[slice], np.ndarray]


def strips(height: int, width: int, pixels: int | None = None) -> Iterator[slice]:
    """The rows of a picture in strips of at most `pixels` pixels, or one row; by default of about 260,000.

    >>> [(rows.start, rows.stop) for rows in strips(5, 1 << 17)]
    [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, (pixels or _STRIP) // max(width, 1))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def row_reader(picture: Image.Image, mode: str | None = None) -> Rows:
    """Rows of a PIL image, converted to a mode if one is given."""

    def rows(of: slice) -> np.ndarray:
        strip = picture.crop((0, of.start, picture.width, of.stop))
        return np.asarray(strip if mode in (None, strip.mode) else strip.convert(mode))

    return rows


def rgb_levels(rows: Rows, size_hw: tuple[int, int], name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Uint8 [H,W,3] of rows with 1, 3 or 4 channels of any type, by the rules of `samhq.image.read.read_image`.

    Raises:
        ImageError: NaN or infinity, or a range without a clear black and white. `name` is the picture's name in
            messages.
    """
    level = eight_bit(rows, size_hw, name)
    rgb = np.empty((*size_hw, 3), np.uint8)
    for part in strips(*size_hw):
        levels = level(rows(part))
        rgb[part] = on_white(levels) if levels.shape[2:] == (4,) else levels.reshape(*levels.shape[:2], -1)
    return rgb


def eight_bit(rows: Rows, size_hw: tuple[int, int], name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function that converts a picture's values to uint8, chosen by the type and the range of all values.

    Raises:
        ImageError: as `rgb_levels`.
    """
    kind = rows(slice(0, 1)).dtype
    if kind == np.uint8:
        return lambda values: values
    if kind == np.bool_:
        return lambda values: values.astype(np.uint8) * np.uint8(255)
    low, high = limits(rows, size_hw)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"Expected finite values, got NaN or infinity in {name}. To show these black, {_STRETCH}")
    if kind.kind == "f":
        scale = np.float32(_scale(float(low), float(high), name))
        return lambda values: np.clip(values * scale + np.float32(0.5), 0, 255).astype(np.uint8)
    if low < 0 or high > 65535:
        raise _out_of_range(name, "0..255 or 0..65535", low, high)
    if kind != np.uint16 and high <= 255:
        return lambda values: values.astype(np.uint8)
    check_visible(high, name)
    return lambda values: ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def limits(rows: Rows, size_hw: tuple[int, int]) -> tuple[Any, Any]:
    """The smallest and the largest value; NaN for both if one is NaN."""
    parts = [(values.min(), values.max()) for values in map(rows, strips(*size_hw))]
    return np.min([low for low, _ in parts]), np.max([high for _, high in parts])


def check_visible(highest: Any, name: str) -> None:
    """Checks that a picture of 16 bits with this largest value would not be shown almost black.

    Raises:
        ImageError: no value is above 4095. `name` is the picture's name in messages.
    """
    if 0 < highest <= _TWELVE_BITS:
        bytes_in_an_array = highest <= 255 and name.startswith(("an array", "a tensor"))
        hint = "Where they are 0..255, pass image.astype(np.uint8). " if bytes_in_an_array else ""
        raise ImageError(
            f"Expected values of 16 bits in 0..65535, got values up to {highest} in {name}, which would be almost "
            f"black. {hint}S{_STRETCH[1:]}"
        )


def on_white(rgba: Shaped[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """The colours [h,w,3] of a strip with alpha, blended with white.

    >>> on_white(np.array([[[0, 0, 200, 255], [9, 9, 9, 0]]], np.uint8)).tolist()
    [[[0, 0, 200], [255, 255, 255]]]
    """
    if rgba[..., 3].min() == 255:
        return rgba[..., :3]
    alpha = rgba[..., 3:].astype(np.uint32)
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _scale(low: float, high: float, name: str) -> float:
    """The factor that turns floats into levels."""
    below = low < -_OVERSHOOT * max(high, 1.0)
    if not below and high <= 1 + _OVERSHOOT:
        return 255.0
    if not below and _DARKEST <= high <= 255 * (1 + _OVERSHOOT):
        return 1.0
    raise _out_of_range(name, "0..1 or 0..255", low, high)


def _out_of_range(name: str, expected: str, low: Any, high: Any) -> ImageError:
    hint = "Undo its normalisation" if low < 0 and high < 10 else "Bring them into range"
    return ImageError(f"Expected values in {expected}, got {low:.6g}..{high:.6g} in {name}. {hint}, or {_STRETCH}")
