"""Masks with their position in a picture.

Whole pixels, (x, y) from the top-left corner. Knows nothing of colours, files, prompts or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.boxes import boxes_from_masks
from samhq.image.windows import Window, whole
from samhq.masks import runs
from samhq.masks.arrays import one_mask
from samhq.masks.rle import RLE
from samhq.shapes import Bool, Int64

_MOST_PIXELS = 2**32 - 1  #: COCO's tools store counts in 32 bits.


@dataclass(frozen=True, eq=False)
class Piece:
    """A mask cut to its box, kept at one bit per pixel. Pixels outside `window` are off."""

    window: Window
    bits: np.ndarray
    area: int

    @classmethod
    def of(cls, mask: Any, x: int = 0, y: int = 0) -> Piece:
        """The piece of a bool mask [h,w], array or tensor, whose top-left pixel is (x, y) of the picture.

        >>> Piece.of(np.array([[False, True], [False, True]]), 10, 20).window
        Window(x0=11, y0=20, x1=12, y1=22)

        Raises:
            ImageError: not bool [h,w].
        """
        mask = one_mask(mask)
        x0, y0, x1, y1 = (int(n) for n in boxes_from_masks(mask))
        area = int(np.count_nonzero(mask))
        tight = Window(x0, y0, x1 + 1, y1 + 1) if area else Window(0, 0, 0, 0)
        return cls(tight.shift(x, y), np.packbits(mask[tight.slices()], axis=1), area)

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """The mask inside `window`, unpacked on every call."""
        if not self.area:
            return np.zeros(self.window.hw, bool)
        return np.unpackbits(self.bits, axis=1, count=self.window.hw[1]).view(bool)

    @property
    def bbox_xywh(self) -> tuple[int, int, int, int]:
        """The tight box as COCO counts it: width 1 for one column; zeros for an empty mask."""
        height, width = self.window.hw
        return (self.window.x0, self.window.y0, width, height) if self.area else (0, 0, 0, 0)

    def inside(self, window: Window) -> Bool[np.ndarray, "h w"]:
        """The mask in any window of the picture, with that window's size."""
        result = np.zeros(window.hw, bool)
        shared = self.window.meet(window)
        if self.area and shared.area:
            # Rows are cut before they are unpacked, so a window of a large mask costs little.
            rows = self.bits[shared.slices(self.window)[0]]
            first = (shared.x0 - self.window.x0) // 8
            skip = shared.x0 - self.window.x0 - 8 * first
            unpacked = np.unpackbits(rows[:, first:], axis=1, count=skip + shared.hw[1])
            result[shared.slices(window)] = unpacked[:, skip:]
        return result

    def shared(self, other: Piece) -> int:
        """The number of pixels that both pieces cover."""
        window = self.window.meet(other.window)
        return int((self.inside(window) & other.inside(window)).sum()) if window.area else 0

    def rle(self, size_hw: tuple[int, int]) -> RLE:
        """COCO's compressed RLE of the mask in a picture of `size_hw`, made without a mask of that size.

        Raises:
            ImageError: a picture too large for COCO's 32-bit counts, or smaller than the mask's window.
        """
        if size_hw[0] * size_hw[1] > _MOST_PIXELS:
            raise ImageError(
                f"Expected a picture of at most {_MOST_PIXELS:,} pixels, which is what COCO's RLE can count, got "
                f"{size_hw[0]} x {size_hw[1]}. Use the pieces' own windows and masks."
            )
        return runs.as_text(self.changes(size_hw), size_hw)

    def changes(self, size_hw: tuple[int, int]) -> Int64[np.ndarray, " R"]:
        """The pixel numbers at which runs begin and end in a picture of `size_hw`; see `samhq.masks.runs`.

        >>> Piece.of(np.array([[True, True]]), 1, 0).changes((3, 4)).tolist()
        [3, 4, 6, 7]

        Raises:
            ImageError: the picture is smaller than the mask's window.
        """
        height, width = size_hw
        if self.area and self.window.meet(whole(size_hw)) != self.window:
            raise ImageError(
                f"Expected a picture around {self.window}, got {height} x {width} (height x width). "
                "Give the size of the picture that the mask belongs to."
            )
        columns = np.pad(self.mask.T.astype(np.int8), ((0, 0), (1, 1)))
        column, row = np.nonzero(np.diff(columns, axis=1))
        turns = (column + self.window.x0).astype(np.int64) * height + row + self.window.y0
        # A run that ends at the end of a column continues if the next column begins with a run.
        goes_on = np.flatnonzero(turns[1:] == turns[:-1])
        return np.delete(turns, np.concatenate([goes_on, goes_on + 1]))


def boxes(pieces: Sequence[Piece]) -> Int64[np.ndarray, "K 4"]:
    """The windows of pieces as rows (x0, y0, x1, y1), x1 and y1 exclusive."""
    return np.array([(p.window.x0, p.window.y0, p.window.x1, p.window.y1) for p in pieces], np.int64).reshape(-1, 4)
