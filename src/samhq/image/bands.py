"""Pictures with any number and type of channels as RGB: which bands to show, and which values become black and white.

Bands are counted from 1, as in GDAL, rasterio and satellite handbooks. Knows arrays only, not files or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.image.read import as_array, describe
from samhq.shapes import Shaped, UInt8

_FULL = {"b": (0.0, 1.0), "uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}  #: Types with a natural range.


@dataclass(frozen=True)
class Rendering:
    """How raw values become RGB: three bands, counted from 1, and the values that become black and white in each.

    It is the same for every window of a picture, so that all tiles have the same brightness. Pixels that are NaN,
    infinite or `nodata` become black.
    """

    bands: tuple[int, int, int]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    nodata: float | None = None

    def apply(self, raw: Shaped[np.ndarray, "h w B"]) -> UInt8[np.ndarray, "h w 3"]:
        """The RGB picture of raw values with all bands; values between black and white are scaled linearly and rounded.

        >>> Rendering((2, 1, 1), (0, 0, 0), (10, 50, 50)).apply(np.array([[[20, 10]]]))[0, 0].tolist()
        [255, 102, 102]

        Raises:
            ImageError: fewer bands than asked for.
        """
        _check_bands(self.bands, raw.shape[2])
        rgb = raw[..., :3] if self.bands == (1, 2, 3) else raw[..., [band - 1 for band in self.bands]]
        return self.apply_chosen(rgb)

    def apply_chosen(self, raw: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The RGB picture of raw values that hold only the three bands to show."""
        if raw.dtype == np.uint8 and self._is_plain:
            return np.ascontiguousarray(raw)
        wide = raw.dtype == np.float64 or (raw.dtype.kind in "iu" and raw.dtype.itemsize > 2)
        values: Any = raw.astype(np.float64 if wide else np.float32)  # Changed in place, because windows may be large.
        missing = ~np.isfinite(values)
        if self.nodata is not None:
            missing |= raw == self.nodata
        low, high = (np.asarray(limit, values.dtype) for limit in (self.low, self.high))
        np.copyto(values, low, where=missing)
        values -= low
        values *= 255.0 / np.maximum(high - low, 1e-12)
        values += 0.5
        return np.asarray(np.clip(values, 0, 255, out=values).astype(np.uint8))

    @property
    def _is_plain(self) -> bool:
        return self.low == (0.0,) * 3 and self.high == (255.0,) * 3 and self.nodata is None


def rendering(
    sample: Any,
    bands: Sequence[int] | None = None,
    percentiles: tuple[float, float] | None = (2.0, 98.0),
    nodata: float | None = None,
) -> Rendering:
    """How to show a picture, determined from `sample` [h,w,B]: a part of it, or the whole at a smaller size.

    `bands` are one (grey) or three, counted from 1; by default the first three, or the first if there are fewer than
    three. `percentiles` of each band's values, without NaN and `nodata`, become black and white. None means the full
    range of the type, for bool, uint8 and uint16.

    Raises:
        ImageError: not [h,w,B]; bands that do not exist; no percentiles and another type; no valid value.
        ConfigError: neither one band nor three; percentiles that are not 0 <= low < high <= 100.
    """
    array = as_array(sample)
    if array.ndim != 3 or not array.size:
        raise ImageError(
            f"Expected a picture [height, width, bands], got {describe(sample)}. Give a grey one as picture[..., None]."
        )
    chosen = _chosen(bands, array.shape[2])
    if percentiles is None:
        low, high = _range_of(array.dtype)
        return Rendering(chosen, (low,) * 3, (high,) * 3, nodata)
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ConfigError(f"Expected percentiles low < high within 0..100, got {percentiles}. Write (2, 98).")
    limits = {band: _limits(array[..., band - 1], percentiles, nodata) for band in chosen}
    red, green, blue = (limits[band] for band in chosen)
    return Rendering(chosen, (red[0], green[0], blue[0]), (red[1], green[1], blue[1]), nodata)


def as_rgb(
    array: Any,
    bands: Sequence[int] | None = None,
    percentiles: tuple[float, float] | None = (2.0, 98.0),
    *,
    nodata: float | None = None,
    channels_first: bool | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Any picture [H,W], [H,W,B] or [B,H,W] as uint8 RGB [H,W,3]; each band is stretched by its own percentiles.

    `channels_first` says which of the two it is; None takes the shorter end for the bands, and the last axis if both
    are equal. For the other arguments see `rendering`.

    >>> as_rgb(np.array([[[5, 40]], [[60, 90]]]), (1, 2, 1), (0, 100), channels_first=False)[:, 0].tolist()
    [[0, 0, 0], [255, 255, 255]]

    Raises:
        ImageError, ConfigError: as `rendering`.
    """
    raw = bands_last(array, channels_first)
    return rendering(raw, bands, percentiles, nodata).apply(raw)


def bands_last(array: Any, channels_first: bool | None = None) -> Shaped[np.ndarray, "H W B"]:
    """A picture [H,W], [H,W,B] or [B,H,W] as [H,W,B], without a copy.

    >>> bands_last(np.zeros((5, 20, 30))).shape
    (20, 30, 5)

    Raises:
        ImageError: not two- or three-dimensional, or without a value.
    """
    values = as_array(array)
    if values.ndim == 2 and values.size:
        return values[..., None]
    if values.ndim != 3 or not values.size:
        raise ImageError(
            f"Expected a picture [H, W], [H, W, bands] or [bands, H, W], got {describe(array)}. Give one at a time."
        )
    first = values.shape[0] < values.shape[2] if channels_first is None else channels_first
    return values.transpose(1, 2, 0) if first else values


def _chosen(bands: Sequence[int] | None, count: int) -> tuple[int, int, int]:
    if bands is None:
        return (1, 2, 3) if count >= 3 else (1, 1, 1)
    if len(bands) not in (1, 3):
        raise ConfigError(f"Expected one band or three, for red, green and blue, got {tuple(bands)}. Write (4, 3, 2).")
    _check_bands(bands, count)
    return (bands[0], bands[0], bands[0]) if len(bands) == 1 else (bands[0], bands[1], bands[2])


def _check_bands(bands: Sequence[int], count: int) -> None:
    if not all(1 <= band <= count for band in bands):
        raise ImageError(
            f"Expected bands of 1..{count}, counted from 1, got {tuple(bands)}. Check the picture's bands."
        )


def _range_of(dtype: np.dtype) -> tuple[float, float]:
    known = _FULL.get(dtype.name) or _FULL.get(dtype.kind)
    if known is None:
        raise ImageError(
            f"Expected values of bool, uint8 or uint16 where no stretch is given, got {dtype}, which has no natural "
            "range. Stretch it: --stretch 2,98, in Python samhq.open_picture(path, percentiles=(2, 98))."
        )
    return known


def _limits(values: np.ndarray, percentiles: tuple[float, float], nodata: float | None) -> tuple[float, float]:
    valid = np.isfinite(values)
    if nodata is not None:
        valid &= values != nodata
    if not valid.any():
        raise ImageError("Expected a band with values, got nothing but NaN, infinity and nodata. Choose another band.")
    numbers = values[valid]
    low, high = np.percentile(numbers.astype(np.float64 if numbers.dtype.itemsize > 4 else np.float32), percentiles)
    return float(low), float(high)
