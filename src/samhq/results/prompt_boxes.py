"""Boxes of prompts that lie mostly outside their picture. Knows nothing about networks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from samhq.errors import PromptError, SamHQWarning, naming
from samhq.image.boxes import as_boxes, in_words
from samhq.results.prompt import Prompt
from samhq.shapes import Float

_LEAST_INSIDE = 0.5  #: Part of a box's area that must be inside the picture for the box to be used as it is.


def boxes_in_picture(prompts: Sequence[Prompt], size_hw: tuple[int, int], picture: str = "") -> list[Prompt]:
    """The prompts of a picture of this size (height, width); boxes with less than half inside it are cut to it.

    Models were trained with boxes inside pictures, so a corner far outside carries no information. If a box was cut,
    one warning says so for the whole picture; `picture` is its name in the warning.

    Warns:
        SamHQWarning: a box was cut.

    Raises:
        PromptError: a box of the wrong shape or order, or one with at most a pixel inside the picture.
    """
    kept, cut = list(prompts), []
    for number, prompt in enumerate(prompts):
        if prompt.box is None:
            continue
        with naming("prompt", number, len(prompts)):
            boxes = as_boxes(prompt.box, size_hw)
            used = cut_boxes(boxes, size_hw)
            if len(boxes) == 1 and not np.array_equal(boxes, used):
                _check_part(boxes[0], used[0], size_hw)
                kept[number] = replace(prompt, box=used[0])
                cut.append((boxes[0], used[0]))
    if cut:
        given, part = map(in_words, cut[0])
        more = f" and {len(cut) - 1} more" if len(cut) > 1 else ""
        warnings.warn(
            f"{picture}{': ' * bool(picture)}Expected boxes inside the picture, {size_hw[1]} wide and {size_hw[0]} "
            f"high, got {given}{more}, mostly outside. The part inside, {part}, is used. Check that the box belongs "
            "to this picture at this size.",
            SamHQWarning,
            stacklevel=2,
        )
    return kept


def cut_boxes(boxes: Float[np.ndarray, "P 4"], size_hw: tuple[int, int]) -> Float[np.ndarray, "P 4"]:
    """The boxes; of those with less than half of their area in a picture of this size only the part inside it.

    A box beside the picture stays as it is.
    """
    inside = boxes.clip(0, [*size_hw[::-1]] * 2)
    parts = _areas(inside)
    far = (parts > 0) & (parts < _LEAST_INSIDE * _areas(boxes))
    return np.where(far[:, None], inside, boxes)


def _check_part(box: np.ndarray, inside: np.ndarray, size_hw: tuple[int, int]) -> None:
    if _areas(inside) <= 1:
        raise PromptError(
            f"Expected boxes that share some of the picture, {size_hw[1]} wide and {size_hw[0]} high, got "
            f"{in_words(box)} with at most a pixel inside. Check that the box belongs to this picture at this size."
        )


def _areas(boxes: Float[np.ndarray, "... 4"]) -> np.ndarray:
    sides = boxes[..., 2:].astype(np.float64) - boxes[..., :2]
    return np.asarray(sides.prod(axis=-1))
