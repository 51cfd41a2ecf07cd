"""Writes pixels to picture files atomically. Knows nothing about the content of pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samhq.image.files import save_picture
from samhq.shapes import Bool, UInt8
from samhq.storage.atomic import write_bytes

_JPEG_QUALITY = 92
_WRITERS = 4  #: Largest number of masks to compress at the same time.
_MOST_IN_CHUNK = 1 << 30  #: Bytes in one chunk of a PNG, of at most 2**31 - 1.
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
    return write_bytes(path, mask_png(mask))


def mask_png(mask: Bool[np.ndarray, "H W"]) -> bytes:
    """The bytes of an 8-bit grey PNG with 255 on the object and 0 elsewhere.

    Rows are compressed by runs of equal bytes, without filters: on masks two to three times as fast as Pillow, which
    tries five filters on every row, and no larger.

    Source: PNG specification, third edition, sections 5 and 11.
    """
    height, width = mask.shape
    rows = np.zeros((height, width + 1), np.uint8)  # The first byte of a row names its filter: 0, none.
    np.negative(mask.view(np.uint8), out=rows[:, 1:])
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    content = compressor.compress(rows.data) + compressor.flush()
    pieces = (content[start : start + _MOST_IN_CHUNK] for start in range(0, len(content), _MOST_IN_CHUNK))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, grey.
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), *(_chunk(b"IDAT", piece) for piece in pieces), _chunk(b"IEND", b"")]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def write_masks(paths: Sequence[Path], mask: Callable[[int], Bool[np.ndarray, "H W"]]) -> list[Path]:
    """Writes several masks as `write_mask`, some at the same time in threads; returns their paths in order.

    `mask` gives the mask with a number, from 0; it is called in the thread that writes it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    with ThreadPoolExecutor(max(1, min(_WRITERS, len(paths)))) as pool:
        return list(pool.map(lambda number: write_mask(paths[number], mask(number)), range(len(paths))))
