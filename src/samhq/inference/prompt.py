"""What a user says about objects, in image pixels, and how it becomes the network's flat list.

Knows nothing about networks, files or how masks are chosen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from samhq.config import IGNORED, MOST_LOGIT, Candidates
from samhq.errors import ImageError, PromptError, naming
from samhq.image.boxes import as_boxes, as_points
from samhq.image.frame import Frame, largest
from samhq.image.read import as_array, describe, read_mask
from samhq.options import yes_or_no
from samhq.shapes import Float32, Int64

if TYPE_CHECKING:
    from torch import Tensor

    from samhq.types import Prompts


@dataclass(frozen=True)
class Prompt:
    """One object, by points, a box, a mask, or several of these. All coordinates in image pixels.

    `points` [N,2] as (x, y) with `labels` [N], 1 on the object and 0 off it (all 1 when left out);
    `box` (x0, y0, x1, y1); `mask` either bool [H,W], a rough mask of the picture, also as a PIL image, a
    file or its bytes, as `samhq.image.read.read_mask` takes them; or float [4g,4g], the `low_res_logits` of an earlier
    result.
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
    """One picture's prompts as a list, each a `Prompt` whose mask is an array, read where it was a picture.

    Raises:
        PromptError: something else, or a mask that cannot be read.
    """
    if not isinstance(prompts, Sequence):
        raise _not_prompts(prompts)
    checked = []
    for number, prompt in enumerate(prompts):
        with naming("prompt", number, len(prompts)):
            checked.append(_as_prompt(prompt))
    return checked


def _as_prompt(prompt: Any) -> Prompt:
    if not isinstance(prompt, Prompt):
        raise _not_prompts(prompt)
    mask = prompt.mask
    if not isinstance(mask, (str, os.PathLike, bytes, bytearray, Image.Image)) and not hasattr(mask, "read"):
        return prompt
    try:
        return replace(prompt, mask=read_mask(mask))
    except ImageError as error:
        raise PromptError(
            f"Expected a mask prompt as an array, or as a mask picture: {error} For .json records and .npy arrays "
            "use samhq.formats.prompts.read_mask_prompt."
        ) from error


def _not_prompts(came: Any) -> PromptError:
    return PromptError(f"Expected prompts as a list of Prompt, got {came!r:.80}. Write [Prompt(points=...), ...].")


def candidates_for(prompts: Sequence[Prompt], multimask: bool | None) -> list[Candidates]:
    """Which of SAM's masks each prompt should give.

    True: three, best first. False: the one trained for clear prompts. None decides by prompt: a single click
    gets the best of the three, everything else the clear one.

    Raises:
        ConfigError: another `multimask`.
    """
    if multimask is not None:
        return ["sorted" if yes_or_no("multimask", multimask) else "single"] * len(prompts)
    return ["best" if prompt.ambiguous else "single" for prompt in prompts]


def one_or_many(
    points: Any, labels: Any, box: Any, boxes: Any, mask: Any, prompts: Sequence[Prompt] | None
) -> list[Prompt]:
    """The prompts that the arguments of `Segmenter.segment` mean; none for empty `boxes` or `prompts`.

    Raises:
        PromptError: nothing given, or two ways of saying it mixed.
    """
    single = any(value is not None for value in (points, labels, box, mask))
    if sum((single, boxes is not None, prompts is not None)) != 1:
        raise PromptError(
            "Expected one object (points=, labels=, box=, mask=), or many by boxes=, or many by prompts=; got "
            f"{'none of these' if not single and boxes is None and prompts is None else 'a mixture'}. "
            "For several objects of mixed kinds give prompts=[Prompt(...), ...]."
        )
    if prompts is not None:
        return as_prompts(prompts)
    if boxes is not None:
        return [Prompt(box=row) for row in _rows(boxes)]
    return as_prompts([Prompt(points, labels, box, mask)])


def _rows(boxes: Any) -> list[np.ndarray]:
    """Boxes one by one, from a list, an array or a tensor [P,4]."""
    try:
        rows = as_array(boxes)
    except ImageError as error:
        raise PromptError(f"Expected boxes as numbers [[x0, y0, x1, y1], ...], got {describe(boxes)}.") from error
    if rows.shape == (0,):  # an empty list
        return []
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise PromptError(
            f"Expected boxes as [P, 4], got shape {list(rows.shape)}. "
            "Write boxes=[[x0, y0, x1, y1], ...]; a single one is box=[x0, y0, x1, y1]."
        )
    return list(rows)


@dataclass(frozen=True)
class Asked:
    """One picture's prompts as arrays in model pixels, checked: what `samhq.types.Prompts` holds as tensors.

    `points` [P,N,2] with `labels` [P,N], short rows filled with labels that take no part; `boxes` [P,4] and `masks`
    [P,1,4g,4g], NaN where a prompt has none, None where no prompt has one.
    """

    points: Float32[np.ndarray, "P N 2"]
    labels: Int64[np.ndarray, "P N"]
    boxes: Float32[np.ndarray, "P 4"] | None
    masks: Float32[np.ndarray, "P 1 G G"] | None

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> Asked:
        """Some of the prompts."""
        boxes, masks = (None if part is None else part[rows] for part in (self.boxes, self.masks))
        return Asked(self.points[rows], self.labels[rows], boxes, masks)


def as_asked(prompts: Sequence[Prompt], frame: Frame) -> Asked:
    """The prompts of one picture as arrays in model pixels, checked; no prompts give arrays without rows.

    Raises:
        PromptError: one without content, or wrong shapes, ranges, order or labels.
    """
    points, labels = _points(prompts, frame)
    return Asked(points, labels, _boxes(prompts, frame), _masks(prompts, frame))


def flatten(prompts: Sequence[Prompt], frame: Frame, image_index: int = 0) -> Prompts:
    """The prompts of one picture as tensors in model pixels; raises as `as_asked`."""
    import torch

    from samhq.types import Prompts

    asked = as_asked(prompts, frame)
    parts = (asked.points, asked.labels, asked.boxes, asked.masks)
    index = torch.full((len(asked),), image_index, dtype=torch.int64)
    return Prompts(index, *(None if part is None else torch.from_numpy(part) for part in parts))


def join(parts: Sequence[Prompts]) -> Prompts:
    """Prompts of several pictures as one list; shorter rows are filled with what takes no part."""
    if len(parts) == 1:
        return parts[0]
    import torch

    from samhq.types import Prompts

    widest = max(part.points.shape[1] for part in parts if part.points is not None)
    return Prompts(
        torch.cat([part.image_index for part in parts]),
        torch.cat([_widen(part.points, widest, 0.0) for part in parts]),
        torch.cat([_widen(part.labels, widest, IGNORED) for part in parts]),
        _cat_or_none([part.boxes for part in parts], parts),
        _cat_or_none([part.masks for part in parts], parts),
    )


def _points(prompts: Sequence[Prompt], frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Points [P,N,2] and labels [P,N], short rows filled with labels that take no part."""
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
    """Boxes [P,4], NaN where a prompt has none; None where no prompt has one."""
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
        raise PromptError(f"Expected one box a prompt, got {len(boxes)}. Give boxes=[...], or one Prompt each.")
    return boxes


def _masks(prompts: Sequence[Prompt], frame: Frame) -> np.ndarray | None:
    """Mask logits [P,1,4g,4g], NaN where a prompt has none; None where no prompt has one."""
    if all(prompt.mask is None for prompt in prompts):
        return None
    side = frame.side // 4
    masks = np.full((len(prompts), 1, side, side), np.nan, np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.mask is not None:
            with naming("prompt", i, len(prompts)):
                masks[i] = mask_logits(prompt.mask, frame)
    return masks


def mask_logits(mask: Any, frame: Frame) -> Float32[np.ndarray, "1 G G"]:
    """A mask prompt [1,4g,4g]: a bool picture mask brought to the square, or earlier logits as they are.

    Raises:
        PromptError: neither bool [H,W] of the picture's size nor float [4g,4g].
    """
    side = frame.side // 4
    try:
        value = as_array(mask)
    except ImageError as error:
        raise PromptError(
            f"Expected a mask prompt as an array, bool {list(frame.original_hw)} or float [{side}, {side}], got "
            f"{describe(mask)}. Read files with samhq.image.read.read_mask."
        ) from error
    if value.dtype == np.bool_ and value.shape == frame.original_hw:
        return frame.mask_to_prompt(value)
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
        "For a 0/255 mask pass `mask > 127`."
    )


def _widen(rows: Tensor | None, width: int, fill: float) -> Tensor:
    """Rows [P,N,...] with N grown to `width`."""
    import torch

    assert rows is not None
    extra = rows.new_full((rows.shape[0], width - rows.shape[1], *rows.shape[2:]), fill)
    return torch.cat([rows, extra], dim=1)


def _cat_or_none(values: list[Tensor | None], parts: Sequence[Prompts]) -> Tensor | None:
    """All rows, NaN for the parts that have none; None where no part has any."""
    shape = next((value.shape[1:] for value in values if value is not None), None)
    if shape is None:
        return None
    import torch

    filled = [
        torch.full((len(part), *shape), torch.nan) if value is None else value
        for part, value in zip(parts, values, strict=True)
    ]
    return torch.cat(filled)
