"""A second look at full resolution: each mask found in a reduced picture is decoded again in a crop around it.

The model sees only its square, so in a much larger picture the first look misses fine detail. What the second look
shows depends on the object, not on how much of its surroundings is in the picture.

A box says where to look by itself. So the first look is left out for objects whose box alone gives a mask.

Holds the pixels of a few crops at a time. Knows nothing of files or formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool

from samhq.config import HQMode
from samhq.image.network_inputs import Crops
from samhq.image.picture_source import ArraySource, PictureSource
from samhq.image.transform import SquareForm, to_pixels_fast
from samhq.image.windows import Tile, Window, tile_grid
from samhq.inference.box_crops import GAIN, NOWHERE, enlargement, intended_box, surroundings
from samhq.inference.crop_masks import crops_together, masks_of_crops
from samhq.inference.first_look import Coarse, WindowView, agree
from samhq.inference.refined import with_refined
from samhq.inference.thin_look import is_thin, look_closer, tile_side
from samhq.masks.regions import Piece
from samhq.model.sam import Sam
from samhq.options import real_number
from samhq.results.native import Refined
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation

#: A mask, and its predicted IoU; None if the first mask stayed.
_Seen = tuple[Bool[np.ndarray, "h w"], float | None]


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

    def by_boxes(self, prompts: Sequence[Prompt]) -> list[Refined | None]:
        """The objects whose box alone decides the crop; None for the other prompts, and for an empty mask.

        No first mask is needed for these.
        """
        plans = [self._plan_of_box(prompt) for prompt in prompts]
        shown = [(prompt, plan) for prompt, plan in zip(prompts, plans, strict=True) if plan is not None]
        seen = self._seen(WindowView(plan.crop, prompt) for prompt, plan in shown)
        looks = [None if plan is None else self._joined(plan, seen) for plan in plans]
        thin_zoom = self._thin_zoom
        return [self._closer(look.piece, look, thin_zoom) if look and thin_zoom else look for look in looks]

    def after_first(self, prompts: Sequence[Prompt], first: Sequence[Coarse]) -> list[Refined | None]:
        """The objects of other prompts segmented again, after a first look.

        None if that cannot enlarge the object or finds something else.
        """
        plans = [
            None if self._plan_of_box(prompt) else self._plan(prompt, coarse.box())
            for prompt, coarse in zip(prompts, first, strict=True)
        ]
        seen = self._seen(
            WindowView(tile.window, prompt, coarse, whole_object=len(plan.tiles) == 1)
            for prompt, coarse, plan in zip(prompts, first, plans, strict=True)
            if plan is not None
            for tile in plan.tiles
        )
        looks = [None if plan is None else self._joined(plan, seen) for plan in plans]
        return [self._closer_than(coarse, look) for coarse, look in zip(first, looks, strict=True)]

    def all_by_boxes(self, prompts: Sequence[Prompt]) -> bool:
        """Whether `by_boxes` looks at all these objects, so that a first look is needed for empty masks only."""
        return all(self._plan_of_box(prompt) for prompt in prompts)

    def windows_of_boxes(self, prompts: Sequence[Prompt]) -> list[Window]:
        """The windows that the second look at objects with boxes will show, whatever this model's first masks are."""
        plans = [self._plan(prompt, NOWHERE) for prompt in prompts if prompt.box is not None]
        return [tile.window for plan in plans if plan is not None for tile in plan.tiles]

    @property
    def _thin_zoom(self) -> float | None:
        return self.model.config.defaults.thin_zoom if self.thin_zoom is None else self.thin_zoom

    def _closer_than(self, coarse: Coarse, second: Refined | None) -> Refined | None:
        """As `_closer`, of the first mask if there is no second."""
        thin_zoom = self._thin_zoom
        if not thin_zoom:
            return second
        if second is not None:
            return self._closer(second.piece, second, thin_zoom)
        box = coarse.box()
        return self._closer(Piece.of(coarse.mask(box), box.x0, box.y0), None, thin_zoom) if box.area else None

    def _closer(self, piece: Piece, second: Refined | None, thin_zoom: float) -> Refined | None:
        """A thin object after a closer look; `second` if it is not thin, or no tile would enlarge it further."""
        zoom = enlargement(tile_side(piece.window, thin_zoom), self.source.size_hw, self.side)
        if zoom < GAIN * (1 if second is None else second.zoom) or not is_thin(piece.mask):
            return second
        closer = look_closer(self.model, self.source, piece, thin_zoom, self.hq)
        return second if closer is None else Refined(closer.piece, closer.score, zoom)

    def _plan_of_box(self, prompt: Prompt) -> _Plan | None:
        """The plan that the prompt's box alone gives, if one crop shows all of it; None otherwise."""
        plan = None if prompt.box is None else self._plan(prompt, NOWHERE)
        return plan if plan is not None and len(plan.tiles) == 1 else None

    def _plan(self, prompt: Prompt, coarse_box: Window) -> _Plan | None:
        """The plan, or None if the second look would enlarge too little."""
        box = intended_box(coarse_box, prompt, self.source.size_hw)
        if not box.area:
            return None
        crop = surroundings(box, self.margin, self.side, self.source.size_hw)
        tiles = self._tiles(crop)
        zoom = enlargement(max(max(tile.window.hw) for tile in tiles), self.source.size_hw, self.side)
        return None if zoom < GAIN else _Plan(crop, tiles, zoom)

    def _tiles(self, crop: Window) -> list[Tile]:
        """The crop itself if it fits into the model's square, else tiles of that side, in the picture's pixels."""
        if max(crop.hw) <= self.side or not self.tiled:
            return [Tile(crop, crop, crop)]
        grid = tile_grid(crop.hw, self.side, self.side // 4)
        return [Tile(*(w.shift(crop.x0, crop.y0) for w in (t.window, t.keep, t.core))) for t in grid]

    def _joined(self, plan: _Plan, seen: Iterator[_Seen]) -> Refined | None:
        """The mask of a plan from what was seen in its tiles, the next of `seen`; None for an empty mask."""
        canvas, scores = np.zeros(plan.crop.hw, bool), []
        for tile, (mask, score) in zip(plan.tiles, seen, strict=False):
            canvas[tile.core.slices(plan.crop)] = mask[tile.core.slices(tile.window)]
            scores += [] if score is None else [score]
        if not scores or not canvas.any():
            return None
        return Refined(Piece.of(canvas, plan.crop.x0, plan.crop.y0), float(np.mean(scores)), plan.zoom)

    def _seen(self, views: Iterable[WindowView]) -> Iterator[_Seen]:
        """The mask in each window and its score; the first mask and None if there is no outline or no agreement."""
        rest = iter(views)
        while group := list(islice(rest, crops_together(self.model))):
            masks: Iterator[_Seen] = iter(self._decoded([view for view in group if view.worth_a_look]))
            for view in group:
                seen, known = next(masks) if view.worth_a_look else None, view.known
                if known is not None and (seen is None or not agree(seen[0], known)):
                    seen = known, None
                assert seen is not None, "without a first mask every window is worth a look"
                yield seen

    def _decoded(self, views: Sequence[WindowView]) -> list[tuple[Bool[np.ndarray, "h w"], float]]:
        """The masks and scores that the model gives in these windows."""
        form, size_hw = SquareForm.for_model(self.model.config), self.source.size_hw
        inputs = [self.crops.get(view.window) or to_pixels_fast(self.source.read(view.window), form) for view in views]
        prompts = [view.prompt_inside(frame, size_hw) for view, (_, frame) in zip(views, inputs, strict=True)]
        return masks_of_crops(self.model, inputs, prompts, self.hq)


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
    logits = torch.from_numpy(result.low_res_logits[:, 0])
    first = [Coarse(mask, result.frame) for mask in logits]
    looks = second_looks(refiner, result.prompts, lambda rows: [first[row] for row in rows], boxes_only=boxes_only)
    masks = result.masks.copy()
    masks[[look is not None for look in looks]] = False
    return with_refined(replace(result, candidates=masks[:, None]), looks)


def second_looks(
    refiner: Refiner,
    prompts: Sequence[Prompt],
    first: Callable[[Sequence[int]], Sequence[Coarse]],
    *,
    boxes_only: bool = False,
) -> list[Refined | None]:
    """For each prompt, the object segmented again, or None if its first mask stays.

    `first` gives the first masks of the prompts with these numbers. It is called for those whose box does not decide.
    """
    with torch.inference_mode():
        return after_boxes(refiner, prompts, refiner.by_boxes(prompts), first, boxes_only=boxes_only)


def after_boxes(
    refiner: Refiner,
    prompts: Sequence[Prompt],
    by_boxes: Sequence[Refined | None],
    first: Callable[[Sequence[int]], Sequence[Coarse]],
    *,
    boxes_only: bool,
) -> list[Refined | None]:
    """As `second_looks`, from what `Refiner.by_boxes` gave."""
    rest = [i for i, item in enumerate(by_boxes) if item is None and (prompts[i].box is not None or not boxes_only)]
    refined = list(by_boxes)
    if rest:
        for i, item in zip(rest, refiner.after_first([prompts[i] for i in rest], first(rest)), strict=True):
            refined[i] = item
    return refined
