"""The second look at boxes, by an exported model: each box is segmented in a crop around it, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samhq.config import HQMode
from samhq.image.transform import to_square
from samhq.inference.box_crops import box_in_window, crop_of_box, enlargement
from samhq.masks.regions import Piece
from samhq.results.native import Refined
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import prompt_arrays
from samhq.runtime.model import OnnxModel
from samhq.shapes import UInt8


def looks_at_boxes(
    model: OnnxModel, picture: UInt8[np.ndarray, "H W 3"], prompts: Sequence[Prompt], margin: float, hq: HQMode
) -> list[Refined | None]:
    """The objects of prompts with boxes; None for other prompts, for boxes that fill the picture and empty masks."""
    return [_second_look(model, picture, prompt, margin, hq) for prompt in prompts]


def _second_look(
    model: OnnxModel, picture: UInt8[np.ndarray, "H W 3"], prompt: Prompt, margin: float, hq: HQMode
) -> Refined | None:
    size_hw, side = (picture.shape[0], picture.shape[1]), model.about.side
    crop = crop_of_box(prompt, size_hw, side, margin)
    if crop is None:
        return None
    square, frame = to_square(picture[crop.slices()], model.about.form)
    arrays = prompt_arrays([box_in_window(prompt, crop, size_hw)], frame)
    logits, scores = model.decode(model.encode(square), arrays, "single", hq)
    mask = frame.masks_to_image(logits)[0, 0]
    if not mask.any():
        return None
    return Refined(Piece.of(mask, crop.x0, crop.y0), float(scores[0, 0]), enlargement(max(crop.hw), size_hw, side))
