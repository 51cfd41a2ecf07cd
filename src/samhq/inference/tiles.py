"""Whole-image masks of pictures of any size: tile by tile at full resolution, merged across seams.

Takes any function that segments one window. Knows nothing of networks, files or formats. Holds one window's pixels at a
time; masks are kept in their box at one bit per pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from samhq.errors import ImageError
from samhq.image.picture_source import KnowsData, PictureSource
from samhq.image.read import as_array
from samhq.image.windows import Tile, tile_grid
from samhq.inference.finished_tiles import FinishedTiles
from samhq.inference.seams import Instance, TileView, merge
from samhq.masks import rle
from samhq.masks.regions import Piece
from samhq.progress import counted
from samhq.shapes import Bool

#: The masks of a window uint8 [h,w,3]: for each a bool mask [h,w] or its RLE, a score, and any value to keep with it.
MasksOf = Callable[[np.ndarray], Iterable[tuple[Any, float, Any]]]


def segment_tiles(
    source: PictureSource,
    masks_of: MasksOf,
    *,
    tile: int = 1024,
    overlap: int | None = None,
    start_xy: tuple[int, int] = (0, 0),
    progress: bool = False,
    finished: FinishedTiles | None = None,
) -> list[Instance]:
    """The objects of a picture, each once, from top to bottom; `masks_of` sees one tile at a time.

    Tiles of `tile` pixels a side share `overlap` pixels, by default a quarter. If `tile` is the model's own side,
    nothing is scaled. The outer quarter of the overlap is only context. An object narrower than half of the overlap is
    whole in some tile; wider objects are joined from several tiles. `start_xy` moves the grid, which changes little
    except at the picture's border. `progress` shows a bar.

    Tiles in which no pixel has data (`KnowsData`) are not segmented. Objects end where the data ends, and masks of
    which less than half has data are dropped.

    `finished` keeps the masks of each tile on the disk. Tiles that it already has are not segmented again.

    Raises:
        ConfigError: a tile without pixels, or an overlap that leaves no step forward.
        ImageError: a picture without pixels or that cannot be read; masks of another size than the window.
    """
    tiles = tile_grid(source.size_hw, tile, overlap, start_xy)
    numbered = enumerate(counted(tiles, "tile", show=progress))
    views = [view for number, t in numbered for view in _kept_views(source, t, number, masks_of, finished)]
    return merge(views, tiles, source.size_hw)


def _kept_views(
    source: PictureSource, tile: Tile, number: int, masks_of: MasksOf, finished: FinishedTiles | None
) -> list[TileView]:
    """The masks of a tile, from the disk if they are there, else segmented and kept."""
    known = None if finished is None else finished.views(number)
    if known is not None:
        return known
    views = list(_views(source, tile, number, masks_of))
    if finished is not None:
        finished.add(number, views)
    return views


def _views(source: PictureSource, tile: Tile, number: int, masks_of: MasksOf) -> Iterator[TileView]:
    valid = source.valid(tile.window) if isinstance(source, KnowsData) else None
    if valid is not None and not valid.any():
        return
    for mask, score, data in masks_of(source.read(tile.window)):
        pixels = rle.decode(mask, tile.window.hw) if isinstance(mask, Mapping) else as_array(mask)
        if pixels.shape != tile.window.hw:
            height, width = tile.window.hw
            raise ImageError(
                f"Expected masks of the window, {width} wide and {height} high, got {list(pixels.shape)}. "
                "Give them at the size of the pixels they belong to."
            )
        pixels = pixels if valid is None else _with_data(pixels, valid)
        kept = Piece.of(pixels[tile.keep.slices(tile.window)], tile.keep.x0, tile.keep.y0)
        if kept.area:
            yield TileView(kept, number, float(score), data)


def _with_data(mask: Bool[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The part of the mask that has data; nothing of a mask that has data on less than half of its pixels."""
    shown = mask & valid
    return shown if 2 * np.count_nonzero(shown) >= np.count_nonzero(mask) else np.zeros_like(mask)
