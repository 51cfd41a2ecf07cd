"""A closer look at thin objects: tiles smaller than the object, each enlarged to the model's square.

A low-resolution mask has a cell for 4 x 4 pixels of the square, so wires, branches and grids that fill a crop are lost
or come out too thick. In a tile of two thirds of the object's length they are half as wide again.

Holds the pixels of a few tiles at a time. Knows nothing of files or formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Bool
from PIL import Image

from samhq.config import HQMode
from samhq.image.boxes import boxes_from_masks
from samhq.image.picture_source import PictureSource
from samhq.image.transform import SquareForm, to_pixels_fast
from samhq.image.windows import Window, tile_grid, whole
from samhq.inference.crop_masks import crops_together, masks_of_crops
from samhq.masks.regions import Piece
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt

#: An object is thin if no circle inside its mask is wider than this share of the longer side of the mask's box.
THIN = 0.1
_FEWEST_PIXELS = 8  #: A tile with fewer pixels of the mask keeps them as they are.
_DOUBT = 2  #: Pixels around the known part of the mask that its box has in a tile.
_JUDGED = 384  #: Longer side of the reduced mask whose width is measured.


@dataclass(frozen=True, eq=False)
class Closer:
    """The mask after a closer look, and the mean of the predicted IoU of its tiles."""

    piece: Piece
    score: float


def is_thin(mask: Bool[np.ndarray, "h w"]) -> bool:
    """Whether no circle inside the mask is wider than `THIN` of the longer side of its box; false for an empty mask."""
    if not mask.any():
        return False
    x0, y0, x1, y1 = boxes_from_masks(mask).tolist()
    part = mask[y0 : y1 + 1, x0 : x1 + 1]
    if max(part.shape) > _JUDGED:
        picture = Image.fromarray(part.view(np.uint8) * np.uint8(255))
        picture.thumbnail((_JUDGED, _JUDGED), Image.Resampling.BOX)
        part = np.asarray(picture) >= 128
    return not _holds_disc(part, THIN * max(part.shape) / 2)


def _holds_disc(mask: Bool[np.ndarray, "h w"], radius: float) -> bool:
    """Whether a pixel of the mask is further than `radius` from every pixel outside it, between pixel centres.

    One threshold of SciPy's Euclidean distance transform, without SciPy: its import takes longer than encoding.
    """
    limit = math.floor(radius**2 + 1e-9)  # Squared distances are whole numbers.
    reach, (height, width) = math.isqrt(limit), mask.shape
    outside = np.zeros((height + 2 * reach, width + 2 * reach + 1), np.int32)  # Counts along each row.
    np.cumsum(~np.pad(mask, reach), axis=1, out=outside[:, 1:])
    inner = mask.copy()
    for dy in range(reach + 1):
        half = math.isqrt(limit - dy**2)
        ends, starts = (outside[:, x : x + width] for x in (reach + half + 1, reach - half))
        inside = ends == starts  # Whole pieces of rows, 2 * half + 1 pixels, belong to the mask.
        inner &= inside[reach + dy :][:height]
        inner &= inside[reach - dy :][:height]
        if not inner.any():
            return False
    return True


def look_closer(model: Sam, source: PictureSource, piece: Piece, zoom: float, hq: HQMode | None) -> Closer | None:
    """The object of `piece` segmented again in tiles of 1 / `zoom` of the longer side of its box.

    In each tile the prompt is the part of the mask that is there, with its box. None if nothing is left.
    """
    box, size_hw = piece.window, source.size_hw
    side = tile_side(box, zoom)
    around = Window(box.x0 - side // 8, box.y0 - side // 8, box.x1 + side // 8, box.y1 + side // 8).meet(whole(size_hw))
    first, canvas = piece.inside(around), np.zeros(around.hw, bool)
    tiles, scores = tile_grid(around.hw, side, side // 3), []
    seen = [tile.window for tile in tiles if np.count_nonzero(first[tile.window.slices()]) >= _FEWEST_PIXELS]
    masks = _masks_in_tiles(model, source, around, first, seen, hq)
    for tile in tiles:
        if tile.window in seen:
            mask, score = next(masks)
            scores.append(score)
        else:
            mask = first[tile.window.slices()]
        canvas[tile.core.slices()] = mask[tile.core.slices(tile.window)]
    if not scores or not canvas.any():
        return None
    return Closer(Piece.of(canvas, around.x0, around.y0), float(np.mean(scores)))


def tile_side(box: Window, zoom: float) -> int:
    """The side of the tiles for an object with that box, in the picture's pixels."""
    return max(8, math.ceil(max(box.hw) / zoom))


def _masks_in_tiles(
    model: Sam,
    source: PictureSource,
    around: Window,
    first: Bool[np.ndarray, "h w"],
    tiles: Sequence[Window],
    hq: HQMode | None,
) -> Iterator[tuple[Bool[np.ndarray, "h w"], float]]:
    """The mask in each tile of `around` and its predicted IoU, from what is known of it: the mask `first`."""
    form, rest = SquareForm.for_model(model.config), iter(tiles)
    while group := list(islice(rest, crops_together(model))):
        windows = [tile.shift(around.x0, around.y0) for tile in group]
        inputs = [to_pixels_fast(source.read(window), form) for window in windows]
        yield from masks_of_crops(model, inputs, [_prompt_of(first[tile.slices()]) for tile in group], hq)


def _prompt_of(known: Bool[np.ndarray, "h w"]) -> Prompt:
    """A mask with its box as a prompt."""
    box = boxes_from_masks(known) + np.array([-_DOUBT, -_DOUBT, 1 + _DOUBT, 1 + _DOUBT])
    return Prompt(box=box.clip(0, [*known.shape[::-1]] * 2), mask=known)
