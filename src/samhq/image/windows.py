"""Windows of a picture, and the tiles that cover it with overlap.

Whole pixels, (x, y) from the top-left corner. Knows nothing of colours, masks, files, prompts or networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from samhq.errors import ConfigError, ImageError
from samhq.options import whole_number

Spans = list[tuple[int, int]]  #: Starts and ends (exclusive) along one axis.


@dataclass(frozen=True)
class Window:
    """Columns x0 to x1 (exclusive) and rows y0 to y1 (exclusive) of a picture."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width; 0 for an empty window."""
        return max(0, self.y1 - self.y0), max(0, self.x1 - self.x0)

    @property
    def area(self) -> int:
        """Number of pixels."""
        height, width = self.hw
        return height * width

    def meet(self, other: Window) -> Window:
        """The intersection of two windows; its area is 0 if they do not overlap.

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
        """Rows and columns of this window in an array of the picture, or in an array of the window `origin`.

        >>> Window(8, 4, 10, 10).slices(Window(5, 4, 20, 20))
        (slice(0, 6, None), slice(3, 5, None))
        """
        x, y = (origin.x0, origin.y0) if origin is not None else (0, 0)
        height, width = self.hw
        return slice(self.y0 - y, self.y0 - y + height), slice(self.x0 - x, self.x0 - x + width)


def whole(size_hw: tuple[int, int]) -> Window:
    """The window that covers a whole picture."""
    return Window(0, 0, int(size_hw[1]), int(size_hw[0]))


_LEAST_TILE, _MOST_TILE = 32, 32768  #: Sides of tiles for a model, in pixels.


@dataclass(frozen=True)
class Tile:
    """A window for the model to see, the part of it to `keep`, and its `core`, all in the picture's pixels.

    Cores cover the picture without overlap. Every pixel of a core is at least as far from the border of this window as
    from the border of any other tile's window. `keep` extends beyond the core by half of the distance to the window's
    end. The rest of the window is only context for the model.
    """

    window: Window
    keep: Window
    core: Window


def check_tiles(tile: int, overlap: int | None = None) -> None:
    """Refuses tiles with which a model would be busy for hours, or would run out of memory.

    A model enlarges a small tile to its own side, and needs the same time for each tile, whatever its size.

    Raises:
        ConfigError: a side outside 32..32768, or an overlap outside 0 to three quarters of it.
    """
    if not _LEAST_TILE <= whole_number("tile", tile, 1) <= _MOST_TILE:
        raise ConfigError(
            f"Expected tiles of {_LEAST_TILE} to {_MOST_TILE} pixels a side, got {tile}. Each tile takes as long as a "
            "whole picture; try 1024."
        )
    most = 3 * tile // 4
    if overlap is not None and whole_number("overlap", overlap, 0) > most:
        raise ConfigError(
            f"Expected an overlap of at most {most} pixels, three quarters of a tile of {tile}, got {overlap}. Leave "
            "it out for a quarter, or give larger tiles."
        )


def tile_grid(
    size_hw: tuple[int, int], tile: int = 1024, overlap: int | None = None, start_xy: tuple[int, int] = (0, 0)
) -> list[Tile]:
    """Tiles of `tile` pixels a side that cover the picture, row by row; each shares `overlap` pixels with the next,
    by default a quarter of their side.

    All tiles have the same size, so that all show the picture at the same scale: the last tile of a row or column moves
    back inside and overlaps more. A picture smaller than a tile is one tile. `start_xy` moves the grid: tiles begin
    there, a whole number of steps from there, and at the picture's borders.

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
        raise ImageError(
            f"Expected a picture with pixels, got {height} x {width} (height x width). Check that it is not "
            "an empty crop."
        )
    columns = _stretches(width, tile, overlap, left)
    rows = _stretches(height, tile, overlap, top)
    return [_tile(down, across) for down in rows for across in columns]


def _tile(down: Spans, across: Spans) -> Tile:
    """The tile with these rows and columns."""
    window, keep, core = (Window(x0, y0, x1, y1) for (x0, x1), (y0, y1) in zip(across, down, strict=True))
    return Tile(window, keep, core)


def _stretches(length: int, tile: int, overlap: int, start: int) -> list[Spans]:
    """Along one axis, for each tile: the start and end of its window, of the part to keep, and of its core."""
    if length <= tile:
        return [[(0, length)] * 3]
    step, last = tile - overlap, length - tile
    begins = sorted({0, last, *range(start % step, last, step)})
    cuts = [0, *((a + tile + b) // 2 for a, b in pairwise(begins)), length]
    return [
        [(begin, begin + tile), ((begin + left) // 2, (begin + tile + right + 1) // 2), (left, right)]
        for begin, (left, right) in zip(begins, pairwise(cuts), strict=True)
    ]
