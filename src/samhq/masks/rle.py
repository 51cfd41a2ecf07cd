"""COCO's run-length encoding of masks, compressed and uncompressed, both ways.

A mask is read column by column; counts are lengths of runs, beginning with zeros. Knows nothing of files or datasets.

Source: pycocotools, common/maskApi.c, which defines the strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from samhq.errors import ImageError
from samhq.masks.arrays import several_masks
from samhq.shapes import Bool, Int64, UInt8

#: Largest number of pixels of a mask: COCO's counts are 32 bits wide, and pycocotools crashes beyond them.
MOST_PIXELS = (1 << 32) - 1
_ROWS = 256  #: Rows that are transposed at a time.
#: {"size": [height, width], "counts": str}; counts are a list of ints if uncompressed.
RLE = dict[str, Any]


def encode(mask: Any) -> Any:
    """COCO's compressed RLE of a bool mask [H,W], with `counts` as str; of masks [K,H,W], a list of K.

    >>> encode(np.array([[False, True], [False, True]]))
    {'size': [2, 2], 'counts': '22'}

    Raises:
        ImageError: not bool, or not two- or three-dimensional.
    """
    from pycocotools import mask as coco

    masks = _bool_masks(mask)
    if 0 in masks.shape[-2:]:  # pycocotools writes counts that it cannot read.
        code = {"size": [int(n) for n in masks.shape[-2:]], "counts": ""}
        return [dict(code) for _ in masks] if masks.ndim == 3 else code
    # One at a time, because [H,W,K] in one piece would be a second copy of all masks.
    codes = [coco.encode(_by_columns(mask.view(np.uint8))) for mask in masks.reshape(-1, *masks.shape[-2:])]
    rles = [{"size": [int(n) for n in code["size"]], "counts": code["counts"].decode("ascii")} for code in codes]
    return rles if masks.ndim == 3 else rles[0]


@overload
def decode(rle: Mapping[str, Any], size_hw: tuple[int, int] | None = None) -> Bool[np.ndarray, "H W"]: ...
@overload
def decode(rle: Sequence[Mapping[str, Any]], size_hw: tuple[int, int] | None = None) -> Bool[np.ndarray, "K H W"]: ...
def decode(rle: Any, size_hw: tuple[int, int] | None = None) -> Any:
    """The bool mask [H,W] of an RLE, compressed (str or bytes) or not (list); of a list of RLEs, [K,H,W].

    `size_hw` is the picture's height and width, if they are known. Another size is refused before anything is unpacked,
    because an RLE of a few bytes may expand to gigabytes.

    >>> decode({"size": [2, 2], "counts": [1, 2, 1]}).tolist()
    [[False, True], [True, False]]

    Raises:
        ImageError: not an RLE, counts that are damaged or do not fill the size, 2^32 pixels or more, an empty list,
            sizes that differ, or another size than the picture's.
    """
    several = isinstance(rle, (list, tuple))
    parsed = [_parsed(code) for code in (rle if several else [rle])]
    sizes = {size for size, _ in parsed} | ({tuple(size_hw)} if size_hw is not None else set())
    if len(sizes) != 1:
        expected = (
            "RLEs of one size" if size_hw is None else f"RLE of the picture's size {list(size_hw)} (height, width)"
        )
        found_sizes = sorted({size for size, _ in parsed})
        raise ImageError(
            f"Expected {expected}, got another size, {found_sizes}. Check that masks and picture belong together."
        )
    masks = [_unpacked(*code) for code in parsed]
    return np.stack(masks) if several else masks[0]


def area(rle: Mapping[str, Any]) -> int:
    """The number of true pixels of an RLE, without decoding it.

    >>> area({"size": [2, 2], "counts": [1, 2, 1]})
    2

    Raises:
        ImageError: as for `decode`.
    """
    return int(_parsed(rle)[1][1::2].sum())


def run_lengths(rle: Mapping[str, Any]) -> Int64[np.ndarray, " R"]:
    """The lengths of an RLE's runs, column by column, beginning with zeros.

    >>> run_lengths({"size": [2, 2], "counts": "22"}).tolist()
    [2, 2]

    Raises:
        ImageError: as for `decode`.
    """
    return _parsed(rle)[1]


def decode_window(rle: Mapping[str, Any], window_xywh: tuple[int, int, int, int]) -> Bool[np.ndarray, "h w"]:
    """The part of the mask in a window (x, y, width, height) inside the picture; decodes only the window's columns.

    >>> decode_window({"size": [2, 2], "counts": [1, 2, 1]}, (1, 0, 1, 2)).tolist()
    [[True], [False]]

    Raises:
        ImageError: as for `decode`.
    """
    (height, _), lengths = _parsed(rle)
    x, y, w, h = window_xywh
    ends = np.clip(np.cumsum(lengths), x * height, (x + w) * height)
    inside = np.diff(ends, prepend=x * height)
    columns = np.repeat(np.arange(len(inside)) % 2 == 1, inside).reshape(w, height)
    return np.ascontiguousarray(columns[:, y : y + h].T)


def uncompressed(mask: Any) -> RLE:
    """The uncompressed RLE of a bool mask [H,W]: `counts` is a list of ints; the first counts zeros and may be 0.

    >>> uncompressed(np.array([[True, True], [False, True]]))
    {'size': [2, 2], 'counts': [0, 1, 1, 2]}

    Raises:
        ImageError: not bool, or not two-dimensional.
    """
    masks = _bool_masks(mask)
    if masks.ndim != 2:
        raise ImageError(f"Expected one mask [H, W], got {list(masks.shape)}. Encode them one by one.")
    pixels = masks.T.ravel()
    if not pixels.size:
        return {"size": list(masks.shape), "counts": []}
    borders = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(borders, prepend=0, append=pixels.size).tolist()
    return {"size": list(masks.shape), "counts": [0, *counts] if pixels[0] else counts}


def _bool_masks(mask: Any) -> np.ndarray:
    masks = several_masks(mask)
    if masks.ndim > 3:
        raise ImageError(f"Expected bool masks [H, W] or [K, H, W], got {list(masks.shape)}. Encode them one by one.")
    return masks


def _by_columns(pixels: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """The same pixels, each column in one piece in memory.

    Only the box of the mask is copied, some rows at a time, so that what is read and written stays in the cache: eight
    times as fast as `numpy.asfortranarray` on 12 megapixels.
    """
    columns = np.zeros(pixels.shape[::-1], pixels.dtype)
    across, down = (np.flatnonzero(pixels.any(axis=axis)) for axis in (0, 1))
    if across.size:
        box = slice(across[0], across[-1] + 1)
        for start in range(down[0], down[-1] + 1, _ROWS):
            rows = slice(start, min(start + _ROWS, down[-1] + 1))
            columns[box, rows] = pixels[rows, box].T
    return columns.T


def _unpacked(size_hw: tuple[int, int], counts: np.ndarray) -> np.ndarray:
    height, width = size_hw
    values = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def _parsed(rle: Any) -> tuple[tuple[int, int], np.ndarray]:
    """Size (H, W) and counts of an RLE, checked, because pycocotools reads damaged ones without an error."""
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise ImageError(f"Expected an RLE with 'size' and 'counts', got {str(rle)[:80]}. Polygons are not RLE.")
    size = _integers(rle["size"], "size")
    if size.shape != (2,) or size.min() < 0:
        raise ImageError(f"Expected an RLE's size as [height, width], got {rle['size']!r:.80}. Check the file.")
    pixels = int(size[0]) * int(size[1])
    if pixels > MOST_PIXELS:
        raise ImageError(
            f"Expected an RLE of less than 2^32 pixels, which is what COCO can count, got {size[0]} x {size[1]}. Check "
            "the file."
        )
    counts = rle["counts"]
    if isinstance(counts, (str, bytes)):
        lengths = _from_string(counts.encode("latin-1", "replace") if isinstance(counts, str) else counts)
    else:
        lengths = _integers(counts, "counts")
    if lengths.ndim != 1 or (len(lengths) and lengths.min() < 0) or _total(lengths) != pixels:
        raise ImageError(
            f"Expected an RLE whose counts fill {size[0]} x {size[1]} pixels, got {_total(lengths)} in "
            f"{str(counts)[:40]}. It is damaged, or belongs to a picture of another size."
        )
    return (int(size[0]), int(size[1])), lengths


def _total(lengths: np.ndarray) -> int:
    # Python's integers, so that a damaged file cannot overflow into the right sum.
    return sum(lengths.ravel().tolist())


def _integers(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"{array.dtype} values")
        return array.astype(np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ImageError(
            f"Expected an RLE's {name} as whole numbers, got {str(values)[:80]}. Check the file."
        ) from error


def _from_string(code: bytes) -> np.ndarray:
    """Counts of a compressed string: five bits per character, low bits first, as differences to the last but one."""
    digits = np.frombuffer(code, np.uint8).astype(np.int64) - 48
    if not len(digits):
        return digits
    last = (digits & 32) == 0
    if digits.min() < 0 or digits.max() > 63 or not last[-1]:
        raise ImageError(f"Expected a compressed RLE string, got {code[:40]!r}. It is damaged or cut off.")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    if place.max() > 7:
        raise ImageError(
            f"Expected a compressed RLE string, got {code[:40]!r} with a run beyond all sizes. It is damaged."
        )
    numbers = np.add.reduceat((digits & 31) << (5 * place), starts)
    numbers -= ((digits[ends] & 16) != 0) * (np.int64(32) << (5 * place[ends]))
    # From the fourth number on, each is the difference to the number two before it.
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
