"""Prompts in image pixels become arrays in model pixels, or a sentence says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.errors import PromptError, SamHQError
from samhq.image.frame import Frame
from samhq.results.prompt import Prompt, as_prompts, candidates_for
from samhq.results.prompt_arrays import mask_logits, prompt_arrays
from samhq.types import IGNORED

FRAME = Frame.fit((40, 80), 64)
LOGITS = np.linspace(-5, 5, 256, dtype=np.float32).reshape(16, 16)
ROUGH = np.zeros((40, 80), bool)
ROUGH[10:30, 20:60] = True


def test_ragged_points_are_filled_with_what_takes_no_part() -> None:
    arrays = prompt_arrays([Prompt(points=[[10, 20], [40, 30]], labels=[1, 0]), Prompt(box=[10, 10, 40, 30])], FRAME)
    assert arrays.points[0].tolist() == [[8, 16], [32, 24]]
    assert arrays.labels.tolist() == [[1, 0], [IGNORED, IGNORED]]
    assert arrays.boxes is not None
    assert np.isnan(arrays.boxes[0]).all()
    assert arrays.boxes[1].tolist() == [8, 8, 32, 24]
    assert arrays.masks is None
    assert len(arrays) == 2
    assert arrays[1:].boxes is not None
    assert arrays[1:].boxes.tolist() == [[8, 8, 32, 24]]


def test_points_without_labels_are_on_the_object() -> None:
    labels = prompt_arrays([Prompt(points=[[1, 1], [2, 2], [3, 3]])], FRAME).labels
    assert labels.tolist() == [[1, 1, 1]]


def test_a_bool_mask_is_brought_to_the_square_and_logits_stay() -> None:
    masks = prompt_arrays([Prompt(mask=ROUGH), Prompt(mask=LOGITS), Prompt(box=[0, 0, 5, 5])], FRAME).masks
    assert masks is not None
    assert np.array_equal(masks[0], FRAME.mask_to_prompt(ROUGH))
    assert masks[0, 0, 4, 8] > 0 > masks[0, 0, 0, 0]
    assert np.array_equal(masks[1, 0], LOGITS)
    assert np.isnan(masks[2]).all()


@pytest.mark.parametrize("shape", [(16, 16), (1, 16, 16), (1, 1, 16, 16)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_with_axes_of_one_and_of_any_precision(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    assert np.array_equal(mask_logits(torch.ones(shape, dtype=dtype), FRAME), np.ones((1, 16, 16)))


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ([Prompt()], "an empty one"),
        ([Prompt(points=[[1, 2]]), Prompt()], "an empty one"),
        ([Prompt(labels=[1])], "labels alone"),
        ([Prompt(box=[1, 1, 5, 5], labels=[1])], "labels alone"),
        ([Prompt(points=[])], "point"),
        ([Prompt(points=[[81, 5]])], "point"),
        ([Prompt(points=[[-2, 5]])], "point"),
        ([Prompt(points=[[float("nan"), 5]])], "point"),
        ([Prompt(points=[[1, 2]], labels=[1, 1])], "label"),
        ([Prompt(points=[[1, 2]], labels=[2])], "label"),
        ([Prompt(points=[[1, 2, 3]])], "point"),
        ([Prompt(points="here")], "point"),
        ([Prompt(box=[5, 5, 1, 1])], "box"),
        ([Prompt(box=[5, 5, 9])], "box"),
        ([Prompt(box=[[1, 1, 5, 5], [2, 2, 6, 6]])], "one box for each prompt"),
        ([Prompt(box=[1, 1, float("inf"), 5])], "box"),
        ([Prompt(box=[90, 0, 500, 40])], "box"),
        ([Prompt(mask=ROUGH[:-1])], r"bool \[40, 80\]"),
        ([Prompt(mask=ROUGH.astype(np.uint8) * 255)], "mask > 127"),
        ([Prompt(mask=ROUGH.astype(np.uint8))], "mask > 0"),
        ([Prompt(mask=ROUGH.astype(np.float32))], "For logits pass `mask > 0`"),
        ([Prompt(mask=ROUGH.T)], r"mask\.T"),
        ([Prompt(mask=ROUGH[..., None])], r"mask\[\.\.\., 0\]"),
        ([Prompt(mask=np.stack([ROUGH, ROUGH]))], r"a Prompt for each mask"),
        ([Prompt(mask=ROUGH[::2, ::2])], "Resize it"),
        ([Prompt(mask=LOGITS[:8])], r"\[16, 16\]"),
        ([Prompt(mask=np.full((16, 16), np.nan, np.float32))], "finite"),
        ([Prompt(mask="mask.png")], "mask"),
        ([Prompt(mask=[[1, 2], [3]])], "mask"),
        ([Prompt(mask=np.array(["a", "b"]))], "mask"),
    ],
)
def test_misuse_is_a_sentence(prompts: list[Prompt], said: str) -> None:
    with pytest.raises(PromptError, match=said):
        prompt_arrays(prompts, FRAME)


def test_a_mask_may_have_an_axis_for_its_only_prompt() -> None:
    flat = prompt_arrays([Prompt(mask=ROUGH)], FRAME).masks
    assert flat is not None
    assert np.array_equal(prompt_arrays([Prompt(mask=ROUGH[None])], FRAME).masks, flat)


numbers = st.one_of(
    st.floats(allow_nan=True, width=32),
    st.integers(-5, 90),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
)
nested = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=9)
pairs = st.lists(st.lists(st.one_of(st.floats(0, 40), st.just(5)), min_size=2, max_size=2), max_size=3)
arrays = st.sampled_from(
    [
        np.zeros((0, 2)),
        np.zeros((2, 2, 2)),
        np.zeros((40, 80), np.int64),
        np.zeros((1, 40, 80), bool),
        np.zeros((16, 16), np.complex64),
        np.zeros((16, 16), np.float16),
        np.array(None, object),
        np.array(5.0),
        np.zeros(4, "datetime64[s]"),
        np.zeros((16, 16), np.uint16),
        torch.zeros(16, 16, dtype=torch.bfloat16),
        torch.zeros(2, 2, requires_grad=True),
        {"a": 1},
        {1.0, 2.0},
        b"bytes",
        object(),
        10**400,
    ]
)
anything: st.SearchStrategy[Any] = st.one_of(st.none(), nested, pairs, arrays)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Prompt, anything, anything, anything, anything), max_size=3))
def test_whatever_is_given_only_our_errors_come_out(prompts: list[Prompt]) -> None:
    try:
        arrays = prompt_arrays(prompts, FRAME)
    except SamHQError:
        return
    policies = candidates_for(prompts, None)
    assert len(arrays) == len(prompts) == len(policies)
    assert np.isfinite(arrays.points).all()


@pytest.mark.parametrize(
    "wrong",
    [
        Prompt(),
        Prompt(labels=[1]),
        Prompt(points=[[500, 5]]),
        Prompt(points=[[5, 5]], labels=[7]),
        Prompt(box=[9, 9, 5, 5]),
        Prompt(box=[[0, 0, 5, 5], [0, 0, 6, 6]]),
        Prompt(mask=np.zeros((3, 3), bool)),
        Prompt(mask="nowhere.png"),
    ],
)
def test_of_several_prompts_the_wrong_one_is_named(wrong: Prompt) -> None:
    fine = Prompt(points=[[10, 20]])
    with pytest.raises(PromptError, match=r"^Prompt 1 \(of 0 to 2\): Expected"):
        prompt_arrays(as_prompts([fine, wrong, fine]), FRAME)
    with pytest.raises(PromptError, match=r"^Expected"):
        prompt_arrays(as_prompts([wrong]), FRAME)
