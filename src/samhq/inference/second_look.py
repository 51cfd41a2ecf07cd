"""A second look at full resolution: each mask found in a reduced picture is decoded again in a crop around it.

The model sees only its square, so in a much larger picture the first look misses fine detail. What the second look
shows depends on the object, not on how much of its surroundings is in the picture.

Holds the pixels of one crop at a time. Knows nothing of files or formats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from samhq.config import MASK_THRESHOLD, SURE_LOGIT, HQMode
from samhq.device import to_device
from samhq.image.boxes import as_boxes, as_points, boxes_from_masks
from samhq.image.frame import Frame
from samhq.image.network_inputs import Crops
from samhq.image.sources import ArraySource, PictureSource
from samhq.image.transform import SquareForm, to_pixels_fast
from samhq.image.windows import Tile, Window, tile_grid, whole
from samhq.inference.prompts import flatten
from samhq.inference.thin_look import is_thin, look_closer, tile_side
from samhq.masks.regions import Piece
from samhq.model.sam import Sam
from samhq.options import real_number
from samhq.results.native import Refined
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation

_GAIN = 1.2  #: The second look must enlarge the object by this factor, relative to the first, to be worth its time.
_LADDER = 2**0.25  #: Crop sizes grow in such steps, so that a slightly larger first mask is seen at the same scale.
MARGIN = 0.25  #: Share of an object's longer side that a crop shows around it.
_FEWEST = 16  #: Least margin on each side in pixels.
#: If the IoU with the first mask is up to this, the second look found something else, unless a box gives the object.
_AGREE = 0.5
_ROWS = 1024  #: Pixels of a window that are enlarged at a time.

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Coarse:
    """The first look's mask: logits [4g,4g], float32 on the CPU, in the frame of the whole picture."""

    logits: Float[Tensor, "G G"]
    frame: Frame

    @property
    def scale(self) -> float:
        """The number of pixels of the model's square for one pixel of the picture."""
        return max(self.frame.resized_hw) / max(self.frame.original_hw)

    def box(self) -> Window:
        """A box around the mask in the picture; without area for an empty mask."""
        rows, columns = (-(-n // 4) for n in self.frame.resized_hw)
        mask = (self.logits[:rows, :columns] > MASK_THRESHOLD).numpy()
        if not mask.any():
            return Window(0, 0, 0, 0)
        # After interpolation a mask ends before the middle of the next pixel.
        corners = 4 * (boxes_from_masks(mask) + np.array([-0.5, -0.5, 1.5, 1.5]))
        x0, y0, x1, y1 = self.frame.boxes_to_image(corners)
        box = Window(int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1)))
        return box.meet(whole(self.frame.original_hw))

    def sampled(self, corners: Corners, size_hw: tuple[int, int]) -> Float[Tensor, "h w"]:
        """The logits over a part (x0, y0, x1, y1) of the picture as `size_hw` pixels, bilinear."""
        x0, y0, x1, y1 = corners
        (height, width), (scale_x, scale_y) = size_hw, self.frame.scale_xy
        x = x0 + (torch.arange(width, dtype=torch.float64) + 0.5) * ((x1 - x0) / width)
        y = y0 + (torch.arange(height, dtype=torch.float64) + 0.5) * ((y1 - y0) / height)
        places = torch.meshgrid(
            2 * x * scale_x / self.frame.side - 1, 2 * y * scale_y / self.frame.side - 1, indexing="xy"
        )
        grid = torch.stack(places, dim=-1)[None].float()
        values = self.logits[None, None]
        return F.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]

    def mask(self, window: Window) -> Bool[np.ndarray, "h w"]:
        """The mask in a window, at the picture's full resolution."""
        mask = np.zeros(window.hw, bool)
        for top in range(0, len(mask), _ROWS):
            strip = mask[top : top + _ROWS]
            corners = (window.x0, window.y0 + top, window.x1, window.y0 + top + len(strip))
            strip[:] = (self.sampled(corners, strip.shape) > MASK_THRESHOLD).numpy()
        return mask

    def prompt(self, window: Window, frame: Frame) -> Float[np.ndarray, "G G"]:
        """The logits as a mask prompt for a window of the picture; padding is off the object."""
        side = frame.side // 4
        width, height = (4 * side / scale for scale in frame.scale_xy)
        logits = self.sampled((window.x0, window.y0, window.x0 + width, window.y0 + height), (side, side))
        rows, columns = (-(-n // 4) for n in frame.resized_hw)
        logits[rows:], logits[:, columns:] = -SURE_LOGIT, -SURE_LOGIT
        return np.asarray(logits.numpy())


@dataclass(frozen=True)
class _Plan:
    """A planned second look: the crop of the picture, its tiles, and their enlargement."""

    crop: Window
    tiles: list[Tile]
    zoom: float


@dataclass(frozen=True, eq=False)
class Refiner:
    """Segments objects of one picture a second time, enlarged."""

    model: Sam
    source: PictureSource
    margin: float
    hq: HQMode | None
    tiled: bool = True  #: Whether a crop larger than the model's square is seen in tiles, not reduced to it.
    #: Thin objects get a closer look, in tiles of 1 / `thin_zoom` of their longer side; 0: they do not; None: as the
    #: weights choose.
    thin_zoom: float | None = None
    crops: Crops = field(default_factory=dict)  #: The network's input of windows for which it was made beforehand.

    def __post_init__(self) -> None:
        real_number("margin", self.margin, 0)
        if self.thin_zoom:
            real_number("thin_zoom", self.thin_zoom, 1)

    @property
    def side(self) -> int:
        """The side of the model's square."""
        return self.model.config.side

    def refined(self, prompt: Prompt, coarse: Coarse) -> Refined | None:
        """The object segmented again, or None if that cannot enlarge it or finds something else."""
        second = self._second(prompt, coarse)
        thin_zoom = self.model.config.defaults.thin_zoom if self.thin_zoom is None else self.thin_zoom
        return self._closer(coarse, second, thin_zoom) if thin_zoom else second

    def _closer(self, coarse: Coarse, second: Refined | None, thin_zoom: float) -> Refined | None:
        """A thin object after a closer look; `second` if it is not thin, or no tile would enlarge it further."""
        if second is None:
            box = coarse.box()
            piece = Piece.of(coarse.mask(box), box.x0, box.y0) if box.area else None
        else:
            piece = second.piece
        if piece is None:
            return second
        zoom = self.side / tile_side(piece.window, thin_zoom) / coarse.scale
        if zoom < _GAIN * (1 if second is None else second.zoom) or not is_thin(piece.mask):
            return second
        closer = look_closer(self.model, self.source, piece, thin_zoom, self.hq)
        return second if closer is None else Refined(closer.piece, closer.score, zoom)

    def _second(self, prompt: Prompt, coarse: Coarse) -> Refined | None:
        plan = self._plan(prompt, coarse.box(), coarse.scale)
        if plan is None:
            return None
        canvas, scores = np.zeros(plan.crop.hw, bool), []
        for tile in plan.tiles:
            mask, score = self._look(prompt, coarse, tile.window, alone=len(plan.tiles) == 1)
            canvas[tile.core.slices(plan.crop)] = mask[tile.core.slices(tile.window)]
            scores += [] if score is None else [score]
        if not scores or not canvas.any():
            return None
        return Refined(Piece.of(canvas, plan.crop.x0, plan.crop.y0), float(np.mean(scores)), plan.zoom)

    def windows_of_boxes(self, prompts: Sequence[Prompt]) -> list[Window]:
        """The windows that the second look at objects with boxes will show, whatever this model's first masks are."""
        boxed, scale = [prompt for prompt in prompts if prompt.box is not None], self.side / max(self.source.size_hw)
        plans = [self._plan(prompt, Window(0, 0, 0, 0), scale) for prompt in boxed]
        return [tile.window for plan in plans if plan is not None for tile in plan.tiles]

    def _plan(self, prompt: Prompt, coarse_box: Window, scale: float) -> _Plan | None:
        """The plan, or None if the second look would enlarge too little; `scale` is the first look's."""
        box = _intended_box(coarse_box, prompt, self.source.size_hw)
        if not box.area:
            return None
        crop = surroundings(box, self.margin, self.side, self.source.size_hw)
        tiles = self._tiles(crop)
        zoom = self.side / max(max(tile.window.hw) for tile in tiles) / scale
        return None if zoom < _GAIN else _Plan(crop, tiles, zoom)

    def _tiles(self, crop: Window) -> list[Tile]:
        """The crop itself if it fits into the model's square, else tiles of that side, in the picture's pixels."""
        if max(crop.hw) <= self.side or not self.tiled:
            return [Tile(crop, crop, crop)]
        grid = tile_grid(crop.hw, self.side, self.side // 4)
        return [Tile(*(w.shift(crop.x0, crop.y0) for w in (t.window, t.keep, t.core))) for t in grid]

    def _look(
        self, prompt: Prompt, coarse: Coarse, window: Window, alone: bool
    ) -> tuple[Bool[np.ndarray, "h w"], float | None]:
        """The mask in a window and its score; the first mask and None if there is no outline or no agreement."""
        boxed = alone and prompt.box is not None
        first = None if boxed else coarse.mask(window)  # The user's box replaces it.
        if first is not None and (not first.any() or (first.all() and not alone)):
            return first, None
        model = self.model
        ready = self.crops.get(window)
        pixels, frame = ready or to_pixels_fast(self.source.read(window), SquareForm.for_model(model.config))
        prompts = flatten([_prompt_in(window, prompt, coarse, first, frame)], frame)
        embedding = model.encode(to_device(pixels, model.device))
        low = model.decode(embedding, prompts, candidates="single", hq=model.hq_mode(self.hq))
        mask = frame.masks_to_image(low.logits)[0, 0].cpu().numpy()
        if first is not None and int((mask & first).sum()) <= _AGREE * int((mask | first).sum()):
            return first, None
        return mask, float(low.iou[0, 0])


def surroundings(box: Window, margin: float, side: int, size_hw: tuple[int, int]) -> Window:
    """The crop for a second look: `box` with at least `margin` of its longer side around it, within the picture.

    The crop's longer side, before it is cut at the picture's border, is one of a few sizes, so that single pixels do
    not change the scale. It exceeds `side` only if the margin makes it.

    >>> surroundings(Window(100, 100, 200, 150), 0.25, 1024, (500, 500))
    Window(x0=74, y0=74, x1=226, y1=176)
    """
    longer = max(box.hw)
    needed = max(longer * (1 + 2 * margin), longer + 2 * _FEWEST)
    step = _LADDER ** math.ceil(math.log(needed, _LADDER) - 1e-9)
    around = int((min(step, side) if needed <= side else step) - longer) // 2
    grown = Window(box.x0 - around, box.y0 - around, box.x1 + around, box.y1 + around)
    return grown.meet(whole(size_hw))


def _intended_box(box: Window, prompt: Prompt, size_hw: tuple[int, int]) -> Window:
    """The centre of the crop: the user's box, or else that of the first mask, extended to the clicks on the object."""
    if prompt.box is not None:
        x0, y0, x1, y1 = as_boxes(prompt.box, size_hw)[0].tolist()
        box = Window(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
    if prompt.points is not None and box.area:
        points, labels = as_points(prompt.points, prompt.labels, size_hw)
        for x, y in np.floor(points[labels == 1]).astype(int).tolist():
            box = box.join(Window(x, y, x + 1, y + 1))
    return box.meet(whole(size_hw))


def _prompt_in(window: Window, prompt: Prompt, coarse: Coarse, first: np.ndarray | None, frame: Frame) -> Prompt:
    """The prompt in a window's pixels, with what the first mask adds to it; no `first`: the user's box is in view.

    That box is enough: the first mask as a prompt would give its coarse outline again (IoU 0.63 without, 0.60 with it,
    on 31 objects in drawn scenes, the starter, enlarged four times). Clicks come together with the mask; prompts with
    neither get the mask and its box.
    """
    points, labels = _points_in(window, prompt, coarse.frame.original_hw)
    if prompt.box is not None and first is None:
        corners = as_boxes(prompt.box, coarse.frame.original_hw)[0]
        return Prompt(points, labels, corners - np.array([window.x0, window.y0] * 2, np.float32))
    assert first is not None, "without a box in view there is a first mask"
    if labels is not None and labels.any():
        return Prompt(points, labels, mask=coarse.prompt(window, frame))
    doubt = 2 / coarse.scale  # Half a pixel of the first mask.
    box = boxes_from_masks(first) + np.array([-doubt, -doubt, 1 + doubt, 1 + doubt])
    return Prompt(points, labels, box.clip(0, [*window.hw[::-1]] * 2), coarse.prompt(window, frame))


def _points_in(window: Window, prompt: Prompt, size_hw: tuple[int, int]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The user's points inside a window, in the window's pixels."""
    if prompt.points is None:
        return None, None
    points, labels = as_points(prompt.points, prompt.labels, size_hw)
    points = points - np.array([window.x0, window.y0], np.float32)
    inside = ((points >= 0) & (points < window.hw[::-1])).all(axis=1)
    return (points[inside], labels[inside]) if inside.any() else (None, None)


def look_again(
    model: Sam,
    result: Segmentation,
    *,
    margin: float,
    hq: HQMode | None,
    tiled: bool = True,
    thin_zoom: float | None = None,
    boxes_only: bool = False,
) -> Segmentation:
    """The best mask of every prompt of `result`, segmented again at full resolution; see `samhq.refine`.

    Raises:
        ConfigError: a margin that is negative or not finite, a zoom below 1; an HQ mask from a plain SAM.
    """
    refiner = Refiner(model, ArraySource(result.image), margin, hq, tiled, thin_zoom)
    refined = second_looks(refiner, result.prompts, result.low_res_logits[:, 0], result.frame, boxes_only=boxes_only)
    masks = result.masks.copy()
    masks[[item is not None for item in refined]] = False
    return with_refined(replace(result, candidates=masks[:, None]), refined)


def second_looks(
    refiner: Refiner, prompts: Sequence[Prompt], logits: Float[np.ndarray, "P G G"], frame: Frame, *, boxes_only: bool
) -> list[Refined | None]:
    """For each prompt, the object segmented again, or None if its first mask stays; `logits` are the first masks."""
    refined: list[Refined | None] = []
    with torch.inference_mode():
        for prompt, first in zip(prompts, logits, strict=True):
            again = prompt.box is not None or not boxes_only
            refined.append(refiner.refined(prompt, Coarse(torch.from_numpy(first), frame)) if again else None)
    return refined


def with_refined(result: Segmentation, refined: Sequence[Refined | None]) -> Segmentation:
    """The best mask of every prompt of `result`, replaced where there is a second look.

    Where there is one, the masks of `result` must be empty: they are painted in place.
    """
    masks = result.masks
    scores, logits = result.scores.copy(), result.low_res_logits[:, 0].copy()
    for number, item in enumerate(refined):
        if item is not None:
            masks[number][item.piece.window.slices()] = item.piece.mask
            scores[number] = item.score
            logits[number] = _coarsened(item.piece, result.frame)
    return replace(result, candidates=masks[:, None], candidate_scores=scores[:, None], low_res_logits=logits[:, None])


def _coarsened(piece: Piece, frame: Frame) -> Float[np.ndarray, "G G"]:
    """A mask as logits [4g,4g]; reduced through bytes at the square's size, full-size floats may be gigabytes.

    Only the part of the picture is reduced that the mask can change.
    """
    (first_row, last_row, top, bottom), (first_column, last_column, left, right) = (
        _reduced_part(start, end, reduced, size)
        for start, end, reduced, size in zip(
            (piece.window.y0, piece.window.x0),
            (piece.window.y1, piece.window.x1),
            frame.resized_hw,
            frame.original_hw,
            strict=True,
        )
    )
    high, wide = (size / reduced for size, reduced in zip(frame.original_hw, frame.resized_hw, strict=True))
    part = Image.fromarray(piece.inside(Window(left, top, right, bottom)).view(np.uint8) * np.uint8(255))
    box = (first_column * wide - left, first_row * high - top, last_column * wide - left, last_row * high - top)
    size = (last_column - first_column, last_row - first_row)
    small = np.asarray(part.resize(size, Image.Resampling.BILINEAR, box), np.float32)
    logits = np.full(frame.resized_hw, -SURE_LOGIT, np.float32)
    logits[first_row:last_row, first_column:last_column] += small * np.float32(2 * SURE_LOGIT / 255)
    return frame.mask_to_prompt(logits)[0]


def _reduced_part(start: int, end: int, reduced: int, size: int) -> tuple[int, int, int, int]:
    """Along one axis that is resized from `size` to `reduced` pixels: the resized pixels that `start` to `end` reaches.

    First and last, and the first and last pixel of the original that these need.

    >>> _reduced_part(400, 480, 100, 1000)
    (37, 51, 359, 522)
    """
    scale = size / reduced
    reach = max(1.0, scale) + 1
    first, last = max(0, int((start - reach) / scale) - 1), min(reduced, int((end + reach) / scale) + 2)
    return first, last, max(0, int(first * scale - reach)), min(size, int(last * scale + reach) + 1)
