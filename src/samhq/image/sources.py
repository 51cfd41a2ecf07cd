"""Opens pictures of any kind so that they are read window by window.

Arrays (memory-mapped ones too) need no extra package. TIFF, GeoTIFF and other formats of GDAL need rasterio, from the
extra `geo`. Knows nothing of models or prompts.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.image.files import open_file, shown_size_hw
from samhq.image.inputs import PictureInput
from samhq.image.picture_source import ArraySource, PictureSource
from samhq.image.raster_source import RasterSource
from samhq.image.read import describe, read_image

#: Suffixes of formats in which reading a window is cheap, and which may have a position on Earth.
BY_WINDOW = (".tif", ".tiff", ".gtiff", ".vrt", ".jp2", ".j2k")
_ORIENTATION = 274  #: TIFF's orientation tag; GDAL does not apply it.
_PLAIN = {"gray", "red", "green", "blue", "alpha", "undefined", "palette"}


def open_picture(
    source: PictureInput | PictureSource,
    bands: Sequence[int] | None = None,
    percentiles: tuple[float, float] | None = None,
) -> PictureSource:
    """A source that reads a picture by window, from any kind of input.

    Files whose format has windows (TIFF, GeoTIFF, JPEG 2000, VRT) are read through rasterio if it is installed. Other
    files are read whole, as by `read_image`. `bands`, counted from 1, and `percentiles` choose and stretch channels;
    for files they need rasterio. Transparent pixels of files read by window are not blended with white. A picture with
    an EXIF rotation is rotated, and read whole.

    Raises:
        ImageError: it cannot be read as a picture, or has no such bands.
        ConfigError: bands or percentiles of the wrong number or order.
        MissingExtraError: bands or percentiles of a file, without rasterio.
    """
    chosen = bands is not None or percentiles is not None
    if isinstance(source, PictureSource):
        return source
    if isinstance(source, bytes) and chosen:
        if _is_rotated(source):
            return ArraySource(read_image(source), bands, percentiles)
        return RasterSource(source, bands, percentiles)
    if isinstance(source, str | os.PathLike):
        if chosen and os.path.isfile(source) and _is_rotated(source):
            return ArraySource(read_image(source), bands, percentiles)
        if chosen:
            return RasterSource(source, bands, percentiles)
        if read_by_window(source):
            opened = RasterSource(source)
            if _is_plain(opened.dataset, source):
                return opened
            place = (None, None) if _is_rotated(source) else (opened.transform, opened.crs)
            opened.close()
            return ArraySource(read_image(source), None, None, *place)
    if chosen and not isinstance(source, Image.Image):
        return ArraySource(source, bands, percentiles)
    if chosen:
        return ArraySource(np.asarray(source), bands, percentiles)
    if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.ndim == 3 and source.shape[2] == 3:
        return ArraySource(source)  # It may be mapped from a file, so it must not be copied.
    return ArraySource(read_image(source))


def size_of_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of a picture file as `open_picture` shows it, from its header alone.

    Raises:
        ImageError: it cannot be read as a picture.
    """
    try:
        return shown_size_hw(path, describe(path))
    except ImageError:
        if not read_by_window(path):
            raise
    with RasterSource(path) as source:  # It has more channels or pixels than Pillow reads.
        return source.size_hw


def read_by_window(path: str | os.PathLike[str]) -> bool:
    """Whether `open_picture` reads a file with this name by window: its format allows it, and rasterio is installed."""
    return os.fspath(path).lower().endswith(BY_WINDOW) and _has_rasterio()


def _is_plain(dataset: Any, path: str | os.PathLike[str]) -> bool:
    """Whether GDAL's values are what a viewer shows: GDAL does not rotate, or convert CMYK and one-bit grey."""
    kinds = {kind.name for kind in dataset.colorinterp}
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    inverted = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    return not (kinds - _PLAIN or bits < 8 or inverted or _is_rotated(path))


def _is_rotated(source: str | os.PathLike[str] | bytes) -> bool:
    try:
        with open_file(io.BytesIO(source) if isinstance(source, bytes) else source, describe(source)) as picture:
            return picture.getexif().get(_ORIENTATION, 1) != 1
    except ImageError:
        return False  # Many bands, or a size that needs windows: not a camera's file.


def _has_rasterio() -> bool:
    from importlib.util import find_spec

    return find_spec("rasterio") is not None
