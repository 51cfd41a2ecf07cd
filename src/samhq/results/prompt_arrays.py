"""The prompts of one picture as arrays in model pixels, checked against the picture's size.

Knows nothing about networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.config import IGNORED, MOST_LOGIT
from samhq.errors import ImageError, PromptError, naming
from samhq.image.boxes import as_boxes, as_points
from samhq.image.frame import Frame, largest
from samhq.image.read import as_array, describe
from samhq.masks import rle
from samhq.results.prompt import Prompt
from samhq.shapes import Float32, Int64


@dataclass(frozen=True)
class PromptArrays:
    """The prompts of one picture as arrays in model pixels; `samhq.types.Prompts` holds the same as tensors.

    `points` [P,N,2] as (x, y) with `labels` [P,N]; short rows are padded with points with the label `IGNORED`. `boxes`
    [P,4] as (x0, y0, x1, y1) and `masks` [P,1,4g,4g] are NaN for prompts without one, and None if no prompt has one.
    """

    points: Float32[np.ndarray, "P N 2"]
    labels: Int64[np.ndarray, "P N"]
    boxes: Float32[np.ndarray, "P 4"] | None
    masks: Float32[np.ndarray, "P 1 G G"] | None

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> PromptArrays:
        """Some of the prompts."""
        boxes, masks = (None if part is None else part[rows] for part in (self.boxes, self.masks))
        return PromptArrays(self.points[rows], self.labels[rows], boxes, masks)


def prompt_arrays(prompts: Sequence[Prompt], frame: Frame) -> PromptArrays:
    """The prompts of one picture as arrays in model pixels; no prompts give arrays without rows.

    Raises:
        PromptError: a prompt is empty, or shapes, ranges, order or labels are wrong.
    """
    points, labels = _points(prompts, frame)
    return PromptArrays(points, labels, _boxes(prompts, frame), _masks(prompts, frame))


def _points(prompts: Sequence[Prompt], frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Points [P,N,2] and labels [P,N]; short rows are padded with points with the label `IGNORED`."""
    rows = []
    for number, prompt in enumerate(prompts):
        with naming("prompt", number, len(prompts)):
            rows.append(_clicks(prompt, frame))
    widest = max((len(xy) for xy, _ in rows), default=0)
    points = np.zeros((len(rows), widest, 2), np.float32)
    labels = np.full((len(rows), widest), IGNORED, np.int64)
    for i, (xy, label) in enumerate(rows):
        points[i, : len(xy)] = frame.points_to_model(xy)
        labels[i, : len(xy)] = label
    return points, labels


def _clicks(prompt: Prompt, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """One prompt's points [N,2], in image pixels, and labels [N]."""
    if prompt.points is not None:
        return as_points(prompt.points, prompt.labels, frame.original_hw)
    if prompt.labels is not None:
        raise PromptError("Expected points with the labels, got labels alone. Give points=[[x, y], ...] too.")
    if prompt.box is None and prompt.mask is None:
        raise PromptError("Expected points, a box or a mask in every prompt, got an empty one. Remove it.")
    return np.zeros((0, 2), np.float32), np.zeros(0, np.int64)


def _boxes(prompts: Sequence[Prompt], frame: Frame) -> np.ndarray | None:
    """Boxes [P,4]; NaN for a prompt without one, None if no prompt has one."""
    if all(prompt.box is None for prompt in prompts):
        return None
    boxes = np.full((len(prompts), 4), np.nan, np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.box is not None:
            with naming("prompt", i, len(prompts)):
                boxes[i] = frame.boxes_to_model(_one_box(prompt.box, frame))[0]
    return boxes


def _one_box(box: Any, frame: Frame) -> np.ndarray:
    boxes = as_boxes(box, frame.original_hw)
    if len(boxes) != 1:
        raise PromptError(
            f"Expected one box for each prompt, got {len(boxes)}. Give boxes=[...], or one Prompt for each."
        )
    return boxes


def _masks(prompts: Sequence[Prompt], frame: Frame) -> np.ndarray | None:
    """Mask logits [P,1,4g,4g]; NaN for a prompt without one, None if no prompt has one."""
    if all(prompt.mask is None for prompt in prompts):
        return None
    side = frame.side // 4
    masks = np.full((len(prompts), 1, side, side), np.nan, np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.mask is not None:
            with naming("prompt", i, len(prompts)):
                masks[i] = mask_logits(prompt.mask, frame)
    return masks


def mask_array(mask: Any, size_hw: tuple[int, int]) -> np.ndarray:
    """A mask prompt for a picture of this size (height, width) as an array. An RLE of another size is not unpacked.

    Raises:
        ImageError: not convertible to an array, or an RLE that is damaged or of another size.
    """
    return rle.decode(mask, size_hw) if isinstance(mask, Mapping) else as_array(mask)


def mask_logits(mask: Any, frame: Frame) -> Float32[np.ndarray, "1 G G"]:
    """A mask prompt [1,4g,4g]: a bool mask of the picture (or its RLE) scaled to the square, or earlier logits.

    Raises:
        PromptError: neither bool [H,W] of the picture's size nor float [4g,4g]; axes of length 1 may stand before.
    """
    side = frame.side // 4
    try:
        value = mask_array(mask, frame.original_hw)
    except ImageError as error:
        if isinstance(mask, Mapping):
            raise PromptError(f"Expected a mask prompt of the picture: {error}") from error
        raise PromptError(
            f"Expected a mask prompt as an array, bool {list(frame.original_hw)} or float [{side}, {side}], got "
            f"{describe(mask)}. Read files with samhq.image.read.read_mask."
        ) from error
    if value.dtype == np.bool_ and value.shape[-2:] == frame.original_hw and value.size == math.prod(frame.original_hw):
        return frame.mask_to_prompt(value.reshape(frame.original_hw))
    if value.dtype.kind == "f" and value.shape[-2:] == (side, side) and value.size == side * side:
        if not largest(value) <= MOST_LOGIT:
            raise PromptError(
                f"Expected finite logits of at most {MOST_LOGIT:.0e} as a mask prompt, got NaN, infinity or more. "
                "Pass low_res_logits."
            )
        return value.reshape(1, side, side).astype(np.float32)
    raise PromptError(
        f"Expected a mask prompt as bool {list(frame.original_hw)} (the picture's height and width) or as the "
        f"float low_res_logits [{side}, {side}] of an earlier result, got {value.dtype} {list(value.shape)}. "
        f"{_mask_advice(value, frame.original_hw)}."
    )


def _mask_advice(mask: np.ndarray, size_hw: tuple[int, int]) -> str:
    """What to do about a mask of the wrong type or shape."""
    if mask.shape[-2:] == size_hw and mask.ndim > 2:
        return "Give a Prompt for each mask, mask[0] and so on"
    if mask.shape == (*size_hw, 1):
        return "Pass mask[..., 0]"
    if mask.shape == size_hw[::-1] and mask.shape != size_hw:
        return "It fits when it is transposed, mask.T"
    if mask.shape != size_hw:
        return "Resize it to the picture by nearest neighbour"
    if mask.dtype.kind == "f":
        return "For logits pass `mask > 0`"
    return f"Pass `mask > {0 if mask.max() <= 1 else 127}`"
