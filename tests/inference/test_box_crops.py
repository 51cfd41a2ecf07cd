"""Where the second look at a box goes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.image.windows import Window, whole
from samhq.inference.box_crops import box_in_window, crop_of_box, surroundings
from samhq.results.prompt import Prompt


@settings(max_examples=100, deadline=None)
@given(
    x=st.integers(0, 900),
    y=st.integers(0, 900),
    w=st.integers(1, 400),
    h=st.integers(1, 400),
    margin=st.floats(0, 1),
    side=st.sampled_from([64, 256, 1024]),
)
def test_crops_hold_the_box_and_its_margin(x: int, y: int, w: int, h: int, margin: float, side: int) -> None:
    box = Window(x, y, min(x + w, 1000), min(y + h, 1000))
    crop = surroundings(box, margin, side, (1000, 1000))
    assert crop.meet(box) == box
    assert crop.meet(whole((1000, 1000))) == crop
    wide = surroundings(box.shift(10_000, 10_000), margin, side, (30_000, 30_000))
    longer = max(box.hw)
    needed = max(longer * (1 + 2 * margin), longer + 32)
    assert needed - 2 <= max(wide.hw) <= needed * 1.2 + 1
    assert (max(wide.hw) <= side) == (needed <= side) or abs(needed - side) <= 2


def test_a_prompt_in_a_window() -> None:
    prompt = Prompt(points=[[30, 40], [5, 5]], labels=[1, 0], box=[20, 30, 60, 70])
    inside = box_in_window(prompt, Window(10, 20, 110, 100), (300, 300))
    assert np.asarray(inside.box).tolist() == [10, 10, 50, 50]
    assert np.asarray(inside.points).tolist() == [[20, 20]], "the other click is out of view"
    assert np.asarray(inside.labels).tolist() == [1]
    assert box_in_window(Prompt(box=[1, 1, 9, 9]), Window(0, 0, 20, 20), (20, 20)).points is None


def test_only_boxes_that_are_enlarged_enough_have_a_crop() -> None:
    size_hw = (400, 600)
    small = crop_of_box(Prompt(box=[100, 100, 150, 160]), size_hw, 512, 0.5)
    assert small is not None
    assert small.meet(Window(100, 100, 150, 160)) == Window(100, 100, 150, 160)
    assert crop_of_box(Prompt(box=[10, 10, 590, 390]), size_hw, 512, 0.5) is None
    assert crop_of_box(Prompt(points=[[100, 100]]), size_hw, 512, 0.5) is None
    clicked = crop_of_box(Prompt(box=[100, 100, 150, 160], points=[[300, 130]]), size_hw, 512, 0.5)
    assert clicked is not None
    assert clicked.x1 > 300, "a click on the object is in view"
