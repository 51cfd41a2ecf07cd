"""What a user says about objects, in image pixels, and how it becomes the network's flat list.

Knows nothing about networks, files or how masks are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from samhq.config import Candidates
from samhq.errors import ImageError, PromptError
from samhq.image.boxes import as_boxes, as_points
from samhq.image.frame import Frame
from samhq.image.read import as_array, describe
from samhq.types import IGNORED, Prompts


@dataclass(frozen=True)
class Prompt:
    """One object, by points, a box, a mask, or several of these. All coordinates in image pixels.

    `points` [N,2] as (x, y) with `labels` [N], 1 on the object and 0 off it (all 1 when left out);
    `box` (x0, y0, x1, y1); `mask` either bool [H,W], a rough mask of the picture, or float [4g,4g], the
    `low_res_logits` of an earlier result.
    """

    points: Any = None
    labels: Any = None
    box: Any = None
    mask: Any = None

    @property
    def ambiguous(self) -> bool:
        """Whether this is a single click: part, object or group could be meant."""
        return self.points is not None and self.box is None and self.mask is None and as_array(self.points).size == 2


def as_prompts(prompts: Any) -> list[Prompt]:
    """One picture's prompts as a list, each a `Prompt`.

    Raises:
        PromptError: something else.
    """
    if not isinstance(prompts, Sequence) or not all(isinstance(prompt, Prompt) for prompt in prompts):
        raise PromptError(
            f"Expected prompts as a list of Prompt, got {prompts!r:.80}. Write [Prompt(points=...), ...]."
        )
    return list(prompts)


def candidates_for(prompts: Sequence[Prompt], multimask: bool | None) -> list[Candidates]:
    """Which of SAM's masks each prompt should give.

    True: three, best first. False: the one trained for clear prompts. None decides by prompt: a single click
    gets the best of the three, everything else the clear one.
    """
    if multimask is not None:
        return ["sorted" if multimask else "single"] * len(prompts)
    return ["best" if prompt.ambiguous else "single" for prompt in prompts]


def flatten(prompts: Sequence[Prompt], frame: Frame, image_index: int = 0) -> Prompts:
    """The prompts of one picture as tensors in model pixels, checked.

    Raises:
        PromptError: none given, one without content, or wrong shapes, ranges, order or labels.
    """
    if not prompts:
        raise PromptError("Expected at least one prompt, got none. Give points=, box=, boxes=, mask= or prompts=.")
    points, labels = _points(prompts, frame)
    return Prompts(
        torch.full((len(prompts),), image_index, dtype=torch.int64),
        points,
        labels,
        _boxes(prompts, frame),
        _masks(prompts, frame),
    )


def join(parts: Sequence[Prompts]) -> Prompts:
    """Prompts of several pictures as one list; shorter rows are filled with what takes no part."""
    if len(parts) == 1:
        return parts[0]
    widest = max(part.points.shape[1] for part in parts if part.points is not None)
    return Prompts(
        torch.cat([part.image_index for part in parts]),
        torch.cat([_widen(part.points, widest, 0.0) for part in parts]),
        torch.cat([_widen(part.labels, widest, IGNORED) for part in parts]),
        _cat_or_none([part.boxes for part in parts], parts),
        _cat_or_none([part.masks for part in parts], parts),
    )


def _points(prompts: Sequence[Prompt], frame: Frame) -> tuple[Tensor, Tensor]:
    """Points [P,N,2] and labels [P,N], short rows filled with labels that take no part."""
    rows = []
    for prompt in prompts:
        if prompt.points is None:
            if prompt.labels is not None:
                raise PromptError("Expected points with the labels, got labels alone. Give points=[[x, y], ...] too.")
            if prompt.box is None and prompt.mask is None:
                raise PromptError("Expected points, a box or a mask in every prompt, got an empty one. Remove it.")
            rows.append((np.zeros((0, 2), np.float32), np.zeros(0, np.int64)))
        else:
            rows.append(as_points(prompt.points, prompt.labels, frame.original_hw))
    widest = max(len(xy) for xy, _ in rows)
    points = torch.zeros(len(rows), widest, 2)
    labels = torch.full((len(rows), widest), IGNORED, dtype=torch.int64)
    for i, (xy, label) in enumerate(rows):
        points[i, : len(xy)] = torch.from_numpy(frame.points_to_model(xy))
        labels[i, : len(xy)] = torch.from_numpy(np.asarray(label, np.int64))
    return points, labels


def _boxes(prompts: Sequence[Prompt], frame: Frame) -> Tensor | None:
    """Boxes [P,4], NaN where a prompt has none; None where no prompt has one."""
    if all(prompt.box is None for prompt in prompts):
        return None
    boxes = torch.full((len(prompts), 4), torch.nan)
    for i, prompt in enumerate(prompts):
        if prompt.box is not None:
            box = as_boxes(prompt.box, frame.original_hw)
            if len(box) != 1:
                raise PromptError(f"Expected one box a prompt, got {len(box)}. Give boxes=[...], or one Prompt each.")
            boxes[i] = torch.from_numpy(frame.boxes_to_model(box))[0]
    return boxes


def _masks(prompts: Sequence[Prompt], frame: Frame) -> Tensor | None:
    """Mask logits [P,1,4g,4g], NaN where a prompt has none; None where no prompt has one."""
    if all(prompt.mask is None for prompt in prompts):
        return None
    side = frame.side // 4
    masks = torch.full((len(prompts), 1, side, side), torch.nan)
    for i, prompt in enumerate(prompts):
        if prompt.mask is not None:
            masks[i] = mask_logits(prompt.mask, frame)
    return masks


def mask_logits(mask: Any, frame: Frame) -> Tensor:
    """A mask prompt [1,4g,4g]: a bool picture mask brought to the square, or earlier logits as they are.

    Raises:
        PromptError: neither bool [H,W] of the picture's size nor float [4g,4g].
    """
    side = frame.side // 4
    try:
        value = torch.as_tensor(np.array(as_array(mask)))
    except (ImageError, TypeError) as error:
        raise PromptError(
            f"Expected a mask prompt as an array, bool {list(frame.original_hw)} or float [{side}, {side}], got "
            f"{describe(mask)}. Read files with samhq.image.read.read_mask."
        ) from error
    if value.dtype == torch.bool and tuple(value.shape) == frame.original_hw:
        return frame.mask_to_prompt(value)
    if value.is_floating_point() and value.shape[-2:] == (side, side) and value.numel() == side * side:
        if not bool(value.isfinite().all()):
            raise PromptError("Expected finite logits as a mask prompt, got NaN or infinity. Pass low_res_logits.")
        return value.reshape(1, side, side).float().cpu()
    raise PromptError(
        f"Expected a mask prompt as bool {list(frame.original_hw)} (the picture's height and width) or as the "
        f"float low_res_logits [{side}, {side}] of an earlier result, got {value.dtype} {list(value.shape)}. "
        "For a 0/255 mask pass `mask > 127`."
    )


def _widen(rows: Tensor | None, width: int, fill: float) -> Tensor:
    """Rows [P,N,...] with N grown to `width`."""
    assert rows is not None
    extra = rows.new_full((rows.shape[0], width - rows.shape[1], *rows.shape[2:]), fill)
    return torch.cat([rows, extra], dim=1)


def _cat_or_none(values: list[Tensor | None], parts: Sequence[Prompts]) -> Tensor | None:
    """All rows, NaN for the parts that have none; None where no part has any."""
    shape = next((value.shape[1:] for value in values if value is not None), None)
    if shape is None:
        return None
    filled = [
        torch.full((len(part), *shape), torch.nan) if value is None else value
        for part, value in zip(parts, values, strict=True)
    ]
    return torch.cat(filled)
