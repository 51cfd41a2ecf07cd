"""Pixels to picture files, each whole or not there. Knows nothing about what the pictures show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.image.files import save_picture
from samhq.shapes import Bool, UInt8

_JPEG_QUALITY = 92
JPEG_SIDE = 65500  #: the most that libjpeg writes


def write_picture(path: Path, pixels: UInt8[np.ndarray, "H W *C"]) -> Path:
    """The path of a picture file in the format of its suffix; grey [H,W], RGB [H,W,3] or RGBA [H,W,4].

    Raises:
        OSError: the folder cannot be made or written.
    """
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if path.suffix == ".jpg" else {}
    return save_picture(Image.fromarray(pixels), path, **options)


def write_overlay(folder: Path, stem: str, pixels: UInt8[np.ndarray, "H W 3"]) -> Path:
    """The path of `STEM_overlay.jpg`, or of `STEM_overlay.png` for a picture with a longer side than a JPEG can have.

    Raises:
        OSError: the folder cannot be made or written.
    """
    suffix = ".jpg" if max(pixels.shape[:2]) <= JPEG_SIDE else ".png"
    return write_picture(folder / f"{stem}_overlay{suffix}", pixels)


def write_mask(path: Path, mask: Bool[np.ndarray, "H W"]) -> Path:
    """The path of an 8-bit grey PNG with 255 on the object and 0 elsewhere.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_picture(path, mask.astype(np.uint8) * 255)
