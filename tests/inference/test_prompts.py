"""Prompts of several pictures become one flat list of tensors."""

from __future__ import annotations

import numpy as np
import torch

from samhq.image.frame import Frame
from samhq.inference.prompts import flatten, join
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import prompt_arrays
from samhq.types import IGNORED

FRAME = Frame.fit((40, 80), 64)
LOGITS = np.linspace(-5, 5, 256, dtype=np.float32).reshape(16, 16)


def test_joined_prompts_are_those_of_each_picture() -> None:
    first = flatten([Prompt(points=[[10, 20]]), Prompt(mask=LOGITS)], FRAME, 0)
    second = flatten([Prompt(points=[[1, 2], [3, 4], [5, 6]], box=[0, 0, 9, 9])], FRAME, 1)
    both = join([first, second])
    assert both.image_index.tolist() == [0, 0, 1]
    assert both.labels is not None
    assert both.labels.tolist() == [[1, IGNORED, IGNORED], [IGNORED] * 3, [1, 1, 1]]
    assert both.points is not None
    assert second.points is not None
    assert torch.equal(both.points[2], second.points[0])
    assert both.boxes is not None
    assert both.boxes.isnan().all(dim=1).tolist() == [True, True, False]
    assert both.masks is not None
    assert both.masks.isnan().all(dim=(1, 2, 3)).tolist() == [True, False, True]


def test_the_tensors_are_the_arrays() -> None:
    prompts = [Prompt(points=[[10, 20], [3, 4]], labels=[1, 0]), Prompt(box=[1, 2, 30, 30]), Prompt(mask=LOGITS)]
    flat, arrays = flatten(prompts, FRAME, 3), prompt_arrays(prompts, FRAME)
    assert flat.image_index.tolist() == [3, 3, 3]
    for name in ("points", "labels", "boxes", "masks"):
        assert np.array_equal(getattr(flat, name).numpy(), getattr(arrays, name), equal_nan=True)


def test_what_no_prompt_has_is_none() -> None:
    flat = flatten([Prompt(points=[[10, 20]])], FRAME)
    assert flat.boxes is None
    assert flat.masks is None
