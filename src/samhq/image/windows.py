"""Windows of a picture, and the tiles that cover it with overlap.

Whole pixels, (x, y) from the top-left corner. Knows nothing of colours, masks, files, prompts or networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from samhq.errors import ConfigError, ImageError
from samhq.options import whole_number


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
    tile = whole_number("tile", tile, 1)
    overlap = tile // 4 if overlap is None else whole_number("overlap", overlap, 0)
    left, top = (whole_number("start_xy", start, -(1 << 62)) for start in start_xy)
    if overlap >= tile:
        raise ConfigError(
            f"Expected tiles of at least one pixel with an overlap smaller than they are, got tile={tile} and "
            f"overlap={overlap}. Try tile=1024, overlap=256."
        )
    height, width = size_hw
    if min(height, width) < 1:
        raise ImageError(f"Expected a picture with pixels, got {height} x {width} (height x width).")
    columns = _stretches(width, tile, overlap, left)
    rows = _stretches(height, tile, overlap, top)
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
