"""Prompts segmented at a picture's full resolution, in two looks: at the reduced picture, then at crops.

Knows nothing of files or formats; `second_look.py` has the second look itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from samhq.config import HQMode
from samhq.device import to_device
from samhq.image.picture_source import PictureSource
from samhq.image.transform import SquareForm, to_pixels
from samhq.inference.box_crops import MARGIN
from samhq.inference.first_look import Coarse
from samhq.inference.prompts import flatten
from samhq.inference.second_look import Refiner, look_again, second_looks
from samhq.inference.segment import Segmenter
from samhq.masks.regions import Piece
from samhq.results.native import Refined
from samhq.results.prompt import Prompt, as_prompts, candidates_for
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.results.segmentation import Segmentation


def refine(
    segmenter: Segmenter,
    result: Segmentation,
    *,
    margin: float = MARGIN,
    hq: HQMode | None = None,
    tiled: bool = True,
    thin_zoom: float | None = None,
    boxes_only: bool = False,
) -> Segmentation:
    """The best mask of every prompt of `result`, segmented again at full resolution; one mask for each prompt.

    `result` is the segmenter's result for its picture. Each object gets its own crop, with `margin` of its longer side
    around it. A crop larger than the model's square is segmented in tiles at full resolution if `tiled`, else reduced
    to the square. A mask does not change if the second look cannot enlarge the object or contradicts the first; with
    `boxes_only` neither do the masks of prompts without a box. `low_res_logits` of refined masks are the fine masks at
    low resolution, +10 and -10: use them as prompts, not as probabilities.

    Thin objects, in which no circle is wider than a tenth of the longer side, then get a closer look if `thin_zoom` is
    not 0: in tiles of 1 / `thin_zoom` of that side, 1.5 to 2 for finer wires and branches. None takes the value of the
    weights: 1.5 for the starter, 0 for others.

    Raises:
        ConfigError: a margin that is negative or not finite, a zoom below 1; an HQ mask from a plain SAM.
    """
    return look_again(
        segmenter.model, result, margin=margin, hq=hq, tiled=tiled, thin_zoom=thin_zoom, boxes_only=boxes_only
    )


def segment_native(
    segmenter: Segmenter,
    source: PictureSource,
    prompts: Sequence[Prompt],
    *,
    margin: float = MARGIN,
    multimask: bool | None = None,
    hq: HQMode | None = None,
) -> list[Refined]:
    """One object for each prompt, in a picture of any size that is read by window; in the order of the prompts.

    The first look is at the whole picture, reduced to the model's square. For the second look see `refine`. Coordinates
    are the picture's own pixels; a mask prompt is bool [H,W], or logits over the whole picture [4g,4g]. With
    `multimask` the first look uses the best of three masks, with False a single one; None uses the best of three for a
    single click.

    Raises:
        PromptError: a prompt of the wrong shape, range, order or type.
        ImageError: the picture cannot be read.
        ConfigError: as `refine`.
    """
    refiner = Refiner(segmenter.model, source, margin, hq)
    prompt_list = boxes_in_picture(as_prompts(prompts), source.size_hw)
    model = segmenter.model
    form = SquareForm.for_model(model.config)
    frame = form.frame(source.size_hw)
    flat = flatten(prompt_list, frame)
    policies = candidates_for(prompt_list, multimask, segmenter.defaults.click_mask)
    found: dict[int, tuple[Coarse, float]] = {}

    def first_looks(numbers: Sequence[int]) -> list[Coarse]:
        """The first masks of these prompts; `found` gets them and their scores."""
        pixels, _ = to_pixels(source.overview(form.side), form)
        embedding = model.encode(to_device(pixels, model.device))
        for number in numbers:
            row = flat[number : number + 1]
            low = model.decode(embedding, row, candidates=policies[number], hq=model.hq_mode(hq))
            found[number] = Coarse(low.logits[0, 0].float().cpu(), frame), float(low.iou[0, 0])
        return [found[number][0] for number in numbers]

    looks = second_looks(refiner, prompt_list, first_looks)
    return [look or _unrefined(*found[number]) for number, look in enumerate(looks)]


def _unrefined(coarse: Coarse, score: float) -> Refined:
    """The first mask, unchanged, at full resolution."""
    box = coarse.box()
    return Refined(Piece.of(coarse.mask(box), box.x0, box.y0), score)
