"""Boxes mostly outside their picture are cut to it, with one warning for each picture."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samhq.errors import PromptError, SamHQWarning
from samhq.results.prompt import Prompt
from samhq.results.prompt_boxes import boxes_in_picture, cut_boxes

SIZE = (40, 60)  # Height, width.
INSIDE = Prompt(box=[5, 5, 20, 20], label="cup")


@pytest.mark.parametrize("box", [[0, 0, 60, 40], [-10, 5, 11, 20], [59, 0, 61, 40], [-5.0, -5.0, 62.0, 43.0]])
def test_boxes_mostly_inside_stay_as_they_are(box: list[float]) -> None:
    prompts = [Prompt(box=box), Prompt(points=[[1, 2]]), INSIDE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(one is own for one, own in zip(boxes_in_picture(prompts, SIZE), prompts, strict=True))


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_a_box_mostly_outside_is_cut_and_the_warning_says_what_is_used(kind: type) -> None:
    prompt = Prompt(points=[[1, 2]], box=kind([-50, -60, 10, 20]), label="cup", score=0.5)
    with pytest.warns(SamHQWarning) as said:
        kept = boxes_in_picture([INSIDE, prompt], SIZE, "a.jpg")
    assert kept[0] is INSIDE
    assert np.asarray(kept[1].box).tolist() == [0, 0, 10, 20]
    assert (kept[1].points, kept[1].label, kept[1].score) == (prompt.points, "cup", 0.5)
    assert [str(one.message) for one in said] == [
        "a.jpg: Expected boxes inside the picture, 60 wide and 40 high, got (-50, -60, 10, 20), mostly outside. The "
        "part inside, (0, 0, 10, 20), is used. Check that the box belongs to this picture at this size."
    ]


def test_several_boxes_of_a_picture_give_one_warning() -> None:
    with pytest.warns(SamHQWarning, match=r"^Expected .* got \(50, 0, 90, 40\) and 2 more") as said:
        kept = boxes_in_picture([Prompt(box=[50, 0, 90 + number, 40]) for number in range(3)], SIZE)
    assert len(said) == 1
    assert all(np.asarray(one.box).tolist() == [50, 0, 60, 40] for one in kept)


def test_a_box_beside_the_picture_is_refused() -> None:
    with pytest.raises(PromptError, match=r"Prompt 1 \(of 0 to 1\): Expected boxes that share some of the picture"):
        boxes_in_picture([INSIDE, Prompt(box=[70, 0, 90, 40])], SIZE)


@pytest.mark.parametrize("box", [[-5, -5, 1, 1], [59.9, 0, 90, 9]])
def test_a_box_with_at_most_a_pixel_inside_is_refused(box: list[float]) -> None:
    with pytest.raises(PromptError, match="at most a pixel inside"):
        boxes_in_picture([Prompt(box=box)], SIZE)


def test_boxes_as_an_array_are_cut_without_a_word() -> None:
    boxes = np.array([[5, 5, 20, 20], [-50, -60, 10, 20], [70, 0, 90, 40]], np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cut_boxes(boxes, SIZE).tolist() == [[5, 5, 20, 20], [0, 0, 10, 20], [70, 0, 90, 40]]
    assert cut_boxes(np.zeros((0, 4)), SIZE).shape == (0, 4)


@given(st.lists(st.floats(-200, 200), min_size=4, max_size=4))
@pytest.mark.filterwarnings("ignore::samhq.errors.SamHQWarning")
def test_what_was_cut_is_not_cut_again(box: list[float]) -> None:
    try:
        once = boxes_in_picture([Prompt(box=box)], SIZE)
    except PromptError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert boxes_in_picture(once, SIZE) == once
