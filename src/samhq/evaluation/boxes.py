"""Masks that a network makes from given boxes: a detector's, a tracker's, or those of the true masks.

Knows pictures and boxes; nothing of data sets or scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from samhq.config import HQMode
from samhq.device import to_device
from samhq.errors import ConfigError
from samhq.evaluation.protocols import protocol_view
from samhq.image.transform import SquareForm
from samhq.model.sam import Sam
from samhq.results.prompt_boxes import cut_boxes
from samhq.types import Prompts

_AT_ONCE = 16  #: Full-size masks in memory together, beside the result.


def masks_from_boxes(
    sam: Sam, image: UInt8[np.ndarray, "H W 3"], boxes_xyxy: Sequence[Sequence[float]], hq: HQMode
) -> list[Bool[np.ndarray, "H W"]]:
    """One mask for each box (x0, y0, x1, y1) in image pixels, at the picture's size; the picture is encoded once.

    Boxes may extend beyond the picture, as detectors' boxes do. Those mostly outside are cut to it, as for users.
    """
    if not len(boxes_xyxy):
        return []
    view = protocol_view(image, SquareForm.for_model(sam.config))
    embedding = sam.encode(to_device(view.pixels, sam.device))
    cut = cut_boxes(np.asarray(boxes_xyxy, np.float64), (image.shape[0], image.shape[1]))
    boxes = torch.tensor(cut * np.tile(view.scale_xy, 2), dtype=torch.float32)
    masks: list[np.ndarray] = []
    for start in range(0, len(boxes), _AT_ONCE):
        group = boxes[start : start + _AT_ONCE]
        prompts = Prompts(torch.zeros(len(group), dtype=torch.int64), boxes=group)
        masks += list(view.back(sam.decode(embedding, prompts, candidates="single", hq=hq).logits))
    return masks


def check_box(box: Any, place: str) -> tuple[float, float, float, float]:
    """The box as four numbers of pixels below 1e9. `place` names it in errors.

    Raises:
        ConfigError: something else.
    """
    try:
        numbers = tuple(float(number) for number in box)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != 4 or not all(abs(number) < 1e9 for number in numbers):
        raise ConfigError(f"Expected a box of four numbers of pixels in {place}, got {str(box)[:60]}. Mend the file.")
    return numbers


def from_xywh(box: Any, place: str) -> tuple[float, float, float, float]:
    """A box (x, y, width, height), as COCO writes it, as corners (x0, y0, x1, y1).

    >>> from_xywh([10, 20, 5, 6], "a file")
    (10.0, 20.0, 15.0, 26.0)

    Raises:
        ConfigError: not four finite numbers, or a negative width or height.
    """
    x, y, width, height = check_box(box, place)
    if min(width, height) < 0:
        raise ConfigError(
            f"Expected (x, y, width, height) in {place}, got {box}, whose size is negative. Mend the file."
        )
    return x, y, x + width, y + height
