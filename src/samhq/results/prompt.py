"""A prompt: a description of one object by the user, in image pixels. Knows nothing about networks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from PIL import Image

from samhq.config import Candidates, ClickMask
from samhq.errors import ImageError, PromptError, naming
from samhq.image.boxes import rows_of_boxes
from samhq.image.inputs import BoxInput, LabelsInput, MaskInput, OpenFile, PointsInput
from samhq.image.read import as_array, describe, read_mask
from samhq.options import yes_or_no
from samhq.other_arguments import PROMPT, translated_fields
from samhq.plural import plural


@translated_fields(PROMPT)
@dataclass(frozen=True)
class Prompt:
    """One object, by points, a box, a mask, or several of these. All coordinates in image pixels.

    `points` [N,2] as (x, y) with `labels` [N], 1 on the object and 0 off it (default: all 1); `box` (x0, y0, x1, y1);
    `mask` is either a rough mask of the picture (bool [H,W], COCO's RLE, or a PIL image, a file or bytes, as
    `samhq.image.read.read_mask` takes them), or float [4g,4g], the `low_res_logits` of an earlier result. `label` is
    the object's class, and `score` is the detector's score; neither changes the mask.
    """

    points: PointsInput | None = None
    labels: LabelsInput | None = None
    box: BoxInput | None = None
    mask: MaskInput | None = None
    label: str | None = None
    score: float | None = None

    def __repr__(self) -> str:
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        return f"Prompt({', '.join(f'{name}={_shown(value)}' for name, value in given if value is not None)})"

    @property
    def ambiguous(self) -> bool:
        """Whether this is a single click, which could mean a part, an object or a group."""
        return self.points is not None and self.box is None and self.mask is None and as_array(self.points).size == 2


def _shown(value: Any) -> str:
    """A field of a prompt as text: large arrays by their type and shape."""
    if hasattr(value, "shape") and math.prod(value.shape) > 16:
        return f"<{describe(value)}>"
    return repr(value) if not isinstance(value, Mapping) else "<COCO's RLE>"


def class_record(prompt: Prompt) -> dict[str, Any]:
    """A prompt's class and detector's score for a record, if they are known.

    >>> class_record(Prompt(box=[0, 0, 9, 9], label="cup", score=0.5))
    {'label': 'cup', 'score': 0.5}
    """
    known = {"label": prompt.label, "score": None if prompt.score is None else float(prompt.score)}
    return {key: value for key, value in known.items() if value is not None}


def as_prompts(prompts: Any) -> list[Prompt]:
    """One picture's prompts as a list; a mask that was given as a picture is read into an array.

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
    if not isinstance(mask, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, OpenFile)):
        return prompt
    try:
        return replace(prompt, mask=read_mask(mask))
    except ImageError as error:
        raise PromptError(
            f"Expected a mask prompt as an array, or as a mask picture: {error} For .json records and .npy arrays "
            "use samhq.formats.prompts.read_mask_prompt."
        ) from error


def _not_prompts(came: Any) -> PromptError:
    if isinstance(came, Prompt):
        advice = "Write [prompt], a list, also for a single prompt; segment_batch takes a list for each picture"
    elif isinstance(came, Mapping):
        advice = "Write Prompt(**fields) for a dict with the fields of a prompt"
    elif isinstance(came, Iterator):
        advice = "Write list(prompts)"
    else:
        advice = "Write [Prompt(points=...), ...]"
    return PromptError(f"Expected prompts as a list of Prompt, got {came!r:.80}. {advice}.")


def a_list_each(prompts: Any, pictures: int) -> Sequence[Sequence[Prompt]]:
    """The prompts of several pictures as they were given, if there is a list for each of them.

    Raises:
        PromptError: another number of lists, or no list.
    """
    if not isinstance(prompts, Sequence):
        raise _not_prompts(prompts)
    if len(prompts) != pictures:
        raise PromptError(
            f"Expected one list of prompts for each picture, got {plural(pictures, 'picture')} and "
            f"{plural(len(prompts), 'list')}. Give an equal number; an empty list means no prompts."
        )
    return prompts


def candidates_for(
    prompts: Sequence[Prompt], multimask: bool | None, click_mask: ClickMask | None = None
) -> list[Candidates]:
    """Which of SAM's masks to use for each prompt.

    True: three, best first. False: the one trained for clear prompts. None decides for each prompt: `click_mask` (the
    best of three if it is None) for a single click, the clear one for all other prompts.

    Raises:
        ConfigError: another `multimask`.
    """
    if multimask is not None:
        return ["sorted" if yes_or_no("multimask", multimask) else "single"] * len(prompts)
    return [(click_mask or "best") if prompt.ambiguous else "single" for prompt in prompts]


_EVERYTHING = "Say what to segment; for masks of everything use samhq.segment_everything(image, model)."


def one_or_many(
    points: Any, labels: Any, box: Any, boxes: Any, mask: Any, prompts: Sequence[Prompt] | None
) -> list[Prompt]:
    """The prompts in the arguments of `Segmenter.segment`; none for empty `boxes` or `prompts`.

    Raises:
        PromptError: nothing given, or a mixture of single and multiple prompts.
    """
    single = any(value is not None for value in (points, labels, box, mask))
    if sum((single, boxes is not None, prompts is not None)) != 1:
        nothing = not single and boxes is None and prompts is None
        raise PromptError(
            "Expected one object (points=, labels=, box=, mask=), or many by boxes=, or many by prompts=; got "
            f"{'none of these' if nothing else 'a mixture'}. "
            + (_EVERYTHING if nothing else "For several objects of mixed kinds give prompts=[Prompt(...), ...].")
        )
    if prompts is not None:
        return as_prompts(prompts)
    if boxes is not None:
        return [Prompt(box=row) for row in _rows(boxes)]
    return as_prompts([Prompt(points, labels, box, mask)])


def _rows(boxes: Any) -> list[np.ndarray]:
    """Boxes one by one, from a list, an array or a tensor [P,4]."""
    rows = rows_of_boxes(boxes)
    if len(rows) and as_array(boxes).ndim == 1:
        raise PromptError("Expected several boxes [[x0, y0, x1, y1], ...], got one. Give a single one as box=.")
    return list(rows)
