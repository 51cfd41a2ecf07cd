"""Writes pixels to picture files atomically. Knows nothing about the content of pictures."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.image.files import save_picture
from samhq.shapes import Bool, UInt8

_JPEG_QUALITY = 92
_WRITERS = 4  #: Largest number of masks to compress at the same time.
JPEG_SIDE = 65500  #: Longest side of a JPEG of libjpeg.


def write_picture(path: Path, pixels: UInt8[np.ndarray, "H W *C"]) -> Path:
    """Writes grey [H,W], RGB [H,W,3] or RGBA [H,W,4] to a picture file in the format of its suffix; returns its path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if path.suffix == ".jpg" else {}
    return save_picture(Image.fromarray(pixels), path, **options)


def write_overlay(folder: Path, stem: str, pixels: UInt8[np.ndarray, "H W 3"]) -> Path:
    """Writes `STEM_overlay.jpg`, or `STEM_overlay.png` for a picture too large for JPEG; returns its path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    suffix = ".jpg" if max(pixels.shape[:2]) <= JPEG_SIDE else ".png"
    return write_picture(folder / f"{stem}_overlay{suffix}", pixels)


def write_mask(path: Path, mask: Bool[np.ndarray, "H W"]) -> Path:
    """Writes an 8-bit grey PNG with 255 on the object and 0 elsewhere; returns its path.

    Compressed by runs of equal bytes: on masks a third faster than the usual way, and no larger.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return save_picture(Image.fromarray(mask.astype(np.uint8) * 255), path, compress_type=zlib.Z_RLE)


def write_masks(paths: Sequence[Path], mask: Callable[[int], Bool[np.ndarray, "H W"]]) -> list[Path]:
    """Writes several masks as `write_mask`, some at the same time in threads; returns their paths in order.

    `mask` gives the mask with a number, from 0; it is called in the thread that writes it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    with ThreadPoolExecutor(max(1, min(_WRITERS, len(paths)))) as pool:
        return list(pool.map(lambda number: write_mask(paths[number], mask(number)), range(len(paths))))
