"""Prompts of any nesting become tensors or an error of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.compat.transformers.pictures import pixels

from samhq.compat.transformers import (
    SamHQModel,
    SamImageProcessor,
    SamProcessor,
)
from samhq.compat.transformers import prompts as flat
from samhq.errors import PromptError, SamHQError

BOX = torch.tensor([[[1.0, 2.0, 30.0, 40.0]]])


def test_labels_of_corners_are_a_box(model: SamHQModel) -> None:
    corners = model(pixels(), BOX.view(1, 1, 2, 2), torch.tensor([[[2, 3]]]))
    box = model(pixels(), input_boxes=BOX)
    # As points they are followed by "not a point", so the two only resemble each other.
    assert torch.corrcoef(torch.stack([corners.pred_masks.flatten(), box.pred_masks.flatten()]))[0, 1] > 0.5


def test_only_what_fills_up_is_padding() -> None:
    points, labels = torch.zeros(1, 3, 2, 2), torch.tensor([[[1, -10], [-10, -10], [-10, -10]]])
    boxes = torch.tensor([[[torch.nan] * 4, [1.0, 1, 2, 2], [torch.nan] * 4]])
    batch = flat.flatten_nested(1, 4, torch.device("cpu"), points, labels, boxes)
    assert batch.padding is not None
    assert batch.padding.tolist() == [False, False, True]
    assert flat.flatten_nested(1, 4, torch.device("cpu")).padding is None


NESTED = st.recursive(
    st.none() | st.integers(-10, 70) | st.floats() | st.text(max_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(points=NESTED, labels=NESTED, boxes=NESTED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_nesting_gives_tensors_or_our_own_error(points: Any, labels: Any, boxes: Any) -> None:
    small = SamProcessor(SamImageProcessor(size=16, pad_size=16))
    for prompts in ((points, labels, boxes), (points, None, None), (None, None, boxes)):
        try:
            inputs = small(np.zeros((4, 4, 3), np.uint8), None, None, *prompts, return_tensors="pt")
        except SamHQError:
            continue
        flat.flatten_nested(
            1, 1, torch.device("cpu"), *(inputs.get(f"input_{n}") for n in ("points", "labels", "boxes"))
        )


def test_the_image_and_the_object_that_are_wrong_are_named() -> None:
    points, labels = torch.ones(2, 3, 1, 2), torch.ones(2, 3, 1)
    points[1, 2, 0, 0], labels[0, 1] = torch.nan, 9
    device = torch.device("cpu")
    with pytest.raises(PromptError, match=r"input_points.*image 1, object 2"):
        flat.flatten_nested(2, 4, device, points)
    with pytest.raises(PromptError, match=r"got \[9.0\].*image 0, object 1"):
        flat.flatten_nested(2, 4, device, torch.ones(2, 3, 1, 2), labels)
    with pytest.raises(PromptError, match=r"input_boxes.*image 1, object 2"):
        flat.flatten_nested(
            2, 4, device, None, None, torch.tensor([[[1.0, 1, 9, 9]] * 3, [[1, 1, 9, 9]] * 2 + [[1, 1, 9, torch.inf]]])
        )
    with pytest.raises(PromptError, match=r"input_masks.*image 1"):
        flat.flatten_nested(
            2, 4, device, None, None, None, torch.stack([torch.ones(1, 16, 16), torch.full((1, 16, 16), torch.nan)])
        )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_boxes_with_an_axis_of_one_before_or_after_the_objects(count: int) -> None:
    boxes = torch.rand(2, count, 4)
    for nested in (boxes, boxes[:, None], boxes[:, :, None]):
        batch = flat.flatten_nested(2, 4, torch.device("cpu"), boxes=nested)
        assert batch.per_image == count
        assert torch.equal(batch.prompts.boxes, boxes.flatten(0, 1))
    with pytest.raises(PromptError, match="input_boxes of shape"):
        flat.flatten_nested(2, 4, torch.device("cpu"), boxes=torch.rand(2, 3, 2, 4))
