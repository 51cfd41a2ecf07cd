"""Parts of a picture: windows, the tiles that cover it with overlap, and masks that know where they lie.

Whole pixels, (x, y) from the top-left corner. Knows nothing of colours, files, prompts or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from samhq.errors import ConfigError, ImageError
from samhq.image import runs
from samhq.image.boxes import boxes_from_masks
from samhq.image.rle import RLE
from samhq.shapes import Bool, Int64

_MOST_PIXELS = 2**32 - 1  #: COCO's own tools keep a run in 32 bits


@dataclass(frozen=True)
class Window:
    """Columns x0 up to, not including, x1 and rows y0 up to y1 of a picture."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width; 0 where nothing is inside."""
        return max(0, self.y1 - self.y0), max(0, self.x1 - self.x0)

    @property
    def area(self) -> int:
        """Pixels inside."""
        height, width = self.hw
        return height * width

    def meet(self, other: Window) -> Window:
        """What two windows share; an area of 0 where they share nothing.

        >>> Window(0, 0, 10, 10).meet(Window(8, 4, 20, 20))
        Window(x0=8, y0=4, x1=10, y1=10)
        """
        return Window(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def join(self, other: Window) -> Window:
        """The smallest window around both."""
        return Window(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def shift(self, x: int, y: int) -> Window:
        """The same window, moved."""
        return Window(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def slices(self, origin: Window | None = None) -> tuple[slice, slice]:
        """Rows and columns of this window in an array of the picture, or in one of the window `origin`.

        >>> Window(8, 4, 10, 10).slices(Window(5, 4, 20, 20))
        (slice(0, 6, None), slice(3, 5, None))
        """
        x, y = (origin.x0, origin.y0) if origin is not None else (0, 0)
        height, width = self.hw
        return slice(self.y0 - y, self.y0 - y + height), slice(self.x0 - x, self.x0 - x + width)


def whole(size_hw: tuple[int, int]) -> Window:
    """The window of all of a picture."""
    return Window(0, 0, int(size_hw[1]), int(size_hw[0]))


@dataclass(frozen=True)
class Tile:
    """A window to look through, what to keep of it, and its `core`, all in the picture's pixels.

    Cores share no pixel and leave none out: no other tile sees a core's pixels from further inside. `keep` reaches
    beyond the core by half of the way to where the window ends; what is further out is context for the look alone.
    """

    window: Window
    keep: Window
    core: Window


def tile_grid(
    size_hw: tuple[int, int], tile: int = 1024, overlap: int | None = None, start_xy: tuple[int, int] = (0, 0)
) -> list[Tile]:
    """Tiles of `tile` pixels a side that cover the picture, row by row; each shares `overlap` pixels with the next,
    by default a quarter of their side.

    All have one size, so that all show the picture at one scale: the last of a row or column moves back inside and
    shares more. A picture smaller than a tile is one tile as it is. `start_xy` moves the grid: tiles begin there and
    a whole number of steps from there, and at the picture's borders.

    >>> [(t.window.x0, t.window.x1, t.keep.x0, t.keep.x1, t.core.x0, t.core.x1) for t in tile_grid((50, 100), 60, 20)]
    [(0, 60, 0, 55, 0, 50), (40, 100, 45, 100, 50, 100)]

    Raises:
        ConfigError: a tile without pixels, or an overlap that is negative or leaves no step forward.
        ImageError: a picture without pixels.
    """
    overlap = tile // 4 if overlap is None else overlap
    if tile < 1 or not 0 <= overlap < tile:
        raise ConfigError(
            f"Expected tiles of at least one pixel with an overlap smaller than they are, got tile={tile} and "
            f"overlap={overlap}. Try tile=1024, overlap=256."
        )
    height, width = size_hw
    if min(height, width) < 1:
        raise ImageError(f"Expected a picture with pixels, got {height} x {width} (height x width).")
    columns = _stretches(width, tile, overlap, start_xy[0])
    rows = _stretches(height, tile, overlap, start_xy[1])
    return [
        Tile(*(Window(x0, y0, x1, y1) for (x0, x1), (y0, y1) in zip(across, down, strict=True)))
        for down in rows
        for across in columns
    ]


def _stretches(length: int, tile: int, overlap: int, start: int) -> list[list[tuple[int, int]]]:
    """Along one axis, for each tile: where its window, what is kept of it and its core begin and end."""
    if length <= tile:
        return [[(0, length)] * 3]
    step, last = tile - overlap, length - tile
    begins = sorted({0, last, *range(start % step, last, step)})
    cuts = [0, *((a + tile + b) // 2 for a, b in pairwise(begins)), length]
    return [
        [(begin, begin + tile), ((begin + left) // 2, (begin + tile + right + 1) // 2), (left, right)]
        for begin, (left, right) in zip(begins, pairwise(cuts), strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Piece:
    """A mask cut to its box: what is outside `window` is off the object. Kept at one bit a pixel."""

    window: Window
    bits: np.ndarray
    area: int

    @classmethod
    def of(cls, mask: Bool[np.ndarray, "h w"], x: int = 0, y: int = 0) -> Piece:
        """The piece of a mask whose top-left pixel is (x, y) of the picture; the mask is copied.

        >>> Piece.of(np.array([[False, True], [False, True]]), 10, 20).window
        Window(x0=11, y0=20, x1=12, y1=22)

        Raises:
            ImageError: not bool [h,w].
        """
        if getattr(mask, "dtype", None) != np.bool_ or mask.ndim != 2:
            raise ImageError(f"Expected one bool mask [h, w], got {getattr(mask, 'dtype', type(mask).__name__)}.")
        x0, y0, x1, y1 = (int(n) for n in boxes_from_masks(mask))
        area = int(mask.sum())
        tight = Window(x0, y0, x1 + 1, y1 + 1) if area else Window(0, 0, 0, 0)
        return cls(tight.shift(x, y), np.packbits(mask[tight.slices()], axis=1), area)

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """The mask inside `window`, unpacked anew at each call."""
        if not self.area:
            return np.zeros(self.window.hw, bool)
        return np.unpackbits(self.bits, axis=1, count=self.window.hw[1]).view(bool)

    @property
    def bbox_xywh(self) -> tuple[int, int, int, int]:
        """The tight box as COCO counts it: width 1 for one column; zeros for an empty mask."""
        height, width = self.window.hw
        return (self.window.x0, self.window.y0, width, height) if self.area else (0, 0, 0, 0)

    def inside(self, window: Window) -> Bool[np.ndarray, "h w"]:
        """The mask in any window of the picture, at that window's size."""
        result = np.zeros(window.hw, bool)
        shared = self.window.meet(window)
        if self.area and shared.area:
            # Rows are cut before they are unpacked: of a mask across the whole picture a window needs little.
            rows = self.bits[shared.slices(self.window)[0]]
            first = (shared.x0 - self.window.x0) // 8
            skip = shared.x0 - self.window.x0 - 8 * first
            unpacked = np.unpackbits(rows[:, first:], axis=1, count=skip + shared.hw[1])
            result[shared.slices(window)] = unpacked[:, skip:]
        return result

    def shared(self, other: Piece) -> int:
        """Pixels that are on both."""
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
        return runs.compressed(self.changes(size_hw), size_hw)

    def changes(self, size_hw: tuple[int, int]) -> Int64[np.ndarray, " R"]:
        """Where runs begin and end in a picture of `size_hw`, column by column; see `samhq.image.runs`.

        >>> Piece.of(np.array([[True, True]]), 1, 0).changes((3, 4)).tolist()
        [3, 4, 6, 7]

        Raises:
            ImageError: the picture is smaller than the mask's window.
        """
        height, width = size_hw
        if self.area and self.window.meet(whole(size_hw)) != self.window:
            raise ImageError(f"Expected a picture around {self.window}, got {height} x {width} (height x width).")
        columns = np.pad(self.mask.T.astype(np.int8), ((0, 0), (1, 1)))
        column, row = np.nonzero(np.diff(columns, axis=1))
        turns = (column + self.window.x0).astype(np.int64) * height + row + self.window.y0
        # A run that ends a column where the next one begins another goes on.
        goes_on = np.flatnonzero(turns[1:] == turns[:-1])
        return np.delete(turns, np.concatenate([goes_on, goes_on + 1]))


def boxes(pieces: Sequence[Piece]) -> Int64[np.ndarray, "K 4"]:
    """The windows of pieces as rows (x0, y0, x1, y1), x1 and y1 not included."""
    return np.array([(p.window.x0, p.window.y0, p.window.x1, p.window.y1) for p in pieces], np.int64).reshape(-1, 4)
