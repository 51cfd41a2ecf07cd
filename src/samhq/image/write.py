"""Writes pixels to picture files atomically. Knows nothing about the content of pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from samhq.image.files import save_picture
from samhq.shapes import Bool, UInt8
from samhq.storage.atomic import write_bytes

_JPEG_QUALITY = 92
_WRITERS = 4  #: Largest number of masks to compress at the same time.
_MOST_IN_CHUNK = 1 << 30  #: Bytes in one chunk of a PNG, of at most 2**31 - 1.
_ZEROS = 1 << 22  #: Zeros that are compressed at once, for rows without the object.
_ADLER = 65521  #: The modulus of zlib's checksum.
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


class MaskWindow(NamedTuple):
    """A mask [h,w] whose top-left pixel is (x, y) in a picture of `size_hw`; off outside."""

    mask: Bool[np.ndarray, "h w"]
    corner_xy: tuple[int, int]
    size_hw: tuple[int, int]


def write_mask(path: Path, mask: Bool[np.ndarray, "H W"] | MaskWindow) -> Path:
    """Writes an 8-bit grey PNG with 255 on the object and 0 elsewhere; returns its path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    return write_bytes(path, mask_png(mask))


def mask_png(mask: Bool[np.ndarray, "H W"] | MaskWindow) -> bytes:
    """The bytes of an 8-bit grey PNG with 255 on the object and 0 elsewhere.

    Rows are compressed by runs of equal bytes, without filters: on masks two to three times as fast as Pillow, which
    tries five filters on every row, and no larger. Only the rows of a window take time and memory.

    Source: PNG specification, third edition, sections 5 and 11.
    """
    window, (x, y), (height, width) = mask if isinstance(mask, MaskWindow) else MaskWindow(mask, (0, 0), mask.shape)
    rows = np.zeros((window.shape[0], width + 1), np.uint8)  # The first byte of a row names its filter: 0, none.
    np.negative(window.view(np.uint8), out=rows[:, 1 + x : 1 + x + window.shape[1]])
    content = _deflated(y * (width + 1), rows, (height - y - len(rows)) * (width + 1))
    pieces = (content[start : start + _MOST_IN_CHUNK] for start in range(0, len(content), _MOST_IN_CHUNK))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, grey.
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), *(_chunk(b"IDAT", piece) for piece in pieces), _chunk(b"IEND", b"")]
    )


def _deflated(before: int, rows: UInt8[np.ndarray, "h w"], after: int) -> bytes:
    """The zlib stream of `before` zeros, the rows, and `after` zeros.

    Parts of a stream that end with a full flush can be joined. The checksum of zeros needs no pass over them.

    Source: RFC 1950 and 1951.
    """
    checksum = _checksum_with_zeros(zlib.adler32(rows.data, _checksum_with_zeros(1, before)), after)
    parts = [b"\x78\x01", *_zeros(before), _deflated_part(rows.data), *_zeros(after), b"\x03\x00"]
    return b"".join([*parts, struct.pack(">I", checksum)])


def _zeros(count: int) -> list[bytes]:
    """Compressed parts of a stream that hold `count` zeros."""
    return [_zeros_part(_ZEROS)] * (count // _ZEROS) + [_zeros_part(count % _ZEROS)] * bool(count % _ZEROS)


@lru_cache(maxsize=64)
def _zeros_part(count: int) -> bytes:
    return _deflated_part(bytes(count))


def _deflated_part(content: Any) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS, strategy=zlib.Z_RLE)
    return compressor.compress(content) + compressor.flush(zlib.Z_FULL_FLUSH)


def _checksum_with_zeros(checksum: int, count: int) -> int:
    """The Adler-32 checksum after `count` more zeros: the lower half stays, and is added to the upper half each time.

    >>> _checksum_with_zeros(zlib.adler32(b"ab"), 3) == zlib.adler32(b"ab\\0\\0\\0")
    True
    """
    lower, upper = checksum & 0xFFFF, checksum >> 16
    return (upper + count * lower) % _ADLER << 16 | lower


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def write_masks(paths: Sequence[Path], mask: Callable[[int], Bool[np.ndarray, "H W"] | MaskWindow]) -> list[Path]:
    """Writes several masks as `write_mask`, some at the same time in threads; returns their paths in order.

    `mask` gives the mask with a number, from 0; it is called in the thread that writes it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    with ThreadPoolExecutor(max(1, min(_WRITERS, len(paths)))) as pool:
        return list(pool.map(lambda number: write_mask(paths[number], mask(number)), range(len(paths))))
