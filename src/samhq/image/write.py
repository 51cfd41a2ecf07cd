"""Writes pixels to picture files atomically. Knows nothing about the content of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.image.files import save_picture
from samhq.shapes import Bool, UInt8

_JPEG_QUALITY = 92
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

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_picture(path, mask.astype(np.uint8) * 255)
