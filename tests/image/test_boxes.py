from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samhq.errors import ImageError, PromptError
from samhq.image.boxes import _boxes_on_device, as_boxes, as_points, boxes_from_masks

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=6))


def slow_box(mask: np.ndarray) -> list[int]:
    y, x = np.nonzero(mask)
    return [x.min(), y.min(), x.max(), y.max()] if len(x) else [0, 0, 0, 0]


@settings(deadline=None)
@given(masks)
def test_boxes_enclose_every_true_pixel(masks):
    expected = np.array([slow_box(m) for m in masks.reshape(-1, *masks.shape[-2:])]).reshape(*masks.shape[:-2], 4)
    got = boxes_from_masks(masks)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, expected)
    tensor = boxes_from_masks(torch.from_numpy(masks))
    assert tensor.dtype == torch.int64
    np.testing.assert_array_equal(tensor.numpy(), expected)
    np.testing.assert_array_equal(_boxes_on_device(torch.from_numpy(masks)).numpy(), expected)


@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (2, 4, 0)])
def test_boxes_of_nothing(shape):
    assert boxes_from_masks(np.zeros(shape, bool)).tolist() == [[0, 0, 0, 0]] * shape[0]
    for boxes_of in (boxes_from_masks, _boxes_on_device):
        assert boxes_of(torch.zeros(shape, dtype=torch.bool)).tolist() == [[0, 0, 0, 0]] * shape[0]


@pytest.mark.parametrize("value", [np.zeros((3, 3)), np.zeros(3, bool), torch.zeros(3, 3), [[True]]])
def test_only_bool_masks_have_boxes(value):
    with pytest.raises(ImageError, match=r"Expected bool masks .* got .*\. [A-Z`]"):
        boxes_from_masks(value)


@pytest.mark.parametrize(
    "points", [[[3, 4], [5, 6]], ((3, 4), (5, 6)), np.array([[3, 4], [5, 6]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]])]
)
def test_points_of_every_kind(points):
    xy, labels = as_points(points, [1, 0], (50, 60))
    assert xy.dtype == np.float32
    assert labels.dtype == np.int64
    assert xy.tolist() == [[3, 4], [5, 6]]
    assert labels.tolist() == [1, 0]


def test_one_point_and_missing_labels():
    xy, labels = as_points((3.5, 4.5), None, (50, 60))
    assert xy.tolist() == [[3.5, 4.5]]
    assert labels.tolist() == [1]
    assert as_points([3, 4], 0, (50, 60))[1].tolist() == [0]
    assert as_points([3, 4], [True], (50, 60))[1].tolist() == [1]


def test_the_border_belongs_to_the_picture():
    as_points([[-1, -1], [60, 50], [0, 0], [59.7, 49.2]], None, (50, 60))


@pytest.mark.parametrize("points", [[0, 0], [1, 1], [[0, 1], [1, 0]], torch.tensor([0.0, 1.0])])
def test_whole_corner_pixels_are_believed(points):
    as_points(points, None, (500, 600))


def test_small_pictures_may_be_clicked_between_pixels():
    as_points([0.5, 0.5], None, (8, 8))
    as_boxes([0, 0, 1, 1], (8, 8))


@pytest.mark.parametrize(
    ("points", "labels", "match"),
    [
        ([[1, 2, 3]], None, "2 numbers x, y, got 1 row of 3 numbers"),
        ([], None, "at least one point"),
        (np.zeros((0, 2)), None, "at least one point"),
        ([[[1, 2]]], None, "several prompts"),
        ([[1, 2], [3]], None, "as numbers"),
        ("ab", None, "as numbers"),
        (None, None, "as numbers"),
        ([[np.nan, 2]], None, "NaN"),
        ([[np.inf, 2]], None, "NaN or infinity"),
        ([[0.4, 0.7]], None, "normalised"),
        ([[0.4, 0.7], [1, 0]], [1, 1], "Multiply x by the width"),
        ([[61, 2]], None, r"\(61, 2\)"),
        ([[2, 51.5]], None, "swap"),
        ([[20, 55]], None, "swap"),
        ([[-2, 3]], None, "inside|pixels of the picture"),
        ([[500, 400]], None, "as it was given"),
        ([[3, 4]], [1, 0], "that is 1"),
        ([[3, 4]], [[1]], "one label for each point, that is 1, got 1 row of 1 number"),
        ([[3, 4]], [2], r"got \(2\)"),
        ([[3, 4]], [0.5], "0 .off it"),
        ([[3, 4]], ["yes"], "labels as numbers"),
        ([[True, False]], None, "got true or false"),
        (5, None, "got the single number 5"),
    ],
)
def test_unusable_points_are_explained(points, labels, match):
    with pytest.raises(PromptError, match=match) as caught:
        as_points(points, labels, (50, 60))
    assert "Expected" in str(caught.value)
    assert "got" in str(caught.value)
    assert re.search(r"\. [A-Z]", str(caught.value))


@pytest.mark.parametrize(
    "boxes", [[1, 2, 30, 40], [[1, 2, 30, 40]], np.array([1, 2, 30, 40]), torch.tensor([[1, 2, 30, 40]])]
)
def test_boxes_of_every_kind(boxes):
    got = as_boxes(boxes, (50, 60))
    assert got.dtype == np.float32
    assert got.tolist() == [[1, 2, 30, 40]]


def test_no_boxes():
    assert as_boxes([], (50, 60)).shape == (0, 4)
    assert as_boxes(torch.zeros(0, 4), (50, 60)).shape == (0, 4)


def test_boxes_may_stick_out_and_are_not_clipped():
    assert as_boxes([-10, -10, 90, 90], (50, 60)).tolist() == [[-10, -10, 90, 90]]


@pytest.mark.parametrize(
    ("boxes", "match"),
    [
        ([1, 2, 3], "a box of 4 numbers x0, y0, x1, y1, got 3 numbers"),
        ([[[1, 2, 3, 4]]], r"got an array of shape \[1, 1, 4\]"),
        ([[1, 2, 3, 4, 5]], r"got 1 row of 5 numbers. .*boxes\[:, :4\]"),
        (iter([[1, 2, 3, 4]]), r"Write list\(boxes\)"),
        ({(1, 2, 3, 4)}, r"Write list\(boxes\)"),
        (np.ones((2, 2), bool), "got true or false"),
        ([1, 2, np.nan, 4], "NaN"),
        ([0, 0, 1e39, 1e39], r"1e\+09 or more"),
        ([-1e300, 0, 5, 5], r"1e\+09 or more"),
        ([30, 30, 10, 15], r"use \(30, 30, 40, 45\)"),
        ([[1, 2, 30, 40], [50, 2, 40, 300]], "x0 and x1 are swapped"),
        ([5, 5, 5, 9], "x0 < x1"),
        ([0.1, 0.2, 0.6, 0.7], "normalised"),
        ([0, 0, 1, 1], "normalised"),
        ([60, 2, 70, 9], "beside it"),
        ([-9, 2, 0, 9], "beside it"),
        ([1, 50, 9, 60], "beside it"),
        ("a box", "as numbers"),
    ],
)
def test_unusable_boxes_are_explained(boxes, match):
    with pytest.raises(PromptError, match=match) as caught:
        as_boxes(boxes, (50, 60))
    assert "Expected" in str(caught.value)
    assert "got" in str(caught.value)
    assert re.search(r"\. [A-Z]", str(caught.value))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=9,
)


@settings(deadline=None, max_examples=80)
@given(anything, anything)
def test_nonsense_raises_prompt_errors_only(value, labels):
    with contextlib.suppress(PromptError):
        xy, _ = as_points(value, labels, (50, 60))
        assert xy.shape[1] == 2
    with contextlib.suppress(PromptError):
        assert as_boxes(value, (50, 60)).shape[1] == 4


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([60, 50, 10, 20], r"corners are reversed, so use \(10, 20, 60, 50\); if it is .* use \(60, 50, 70, 70\)"),
        ([60, 50, 59, 49], r"corners are reversed, so use \(59, 49, 60, 50\)"),
        ([60, 20, 10, 50], r"looks like \(x, y, width, height\), so use \(60, 20, 70, 70\); if x0 and x1 are swapped"),
        ([95, 20, 10, 50], r"x0 and x1 are swapped, so use \(10, 20, 95, 50\)"),
        ([10, 90, 50, 20], r"y0 and y1 are swapped, so use \(10, 20, 50, 90\)"),
        ([10, 20, 10, 50], r"no area; if it is .*, use \(10, 20, 20, 70\)"),
        ([60, 90, 60, 90], "no area, give two opposite corners"),
    ],
)
def test_a_box_the_wrong_way_round_is_called_what_it_is(box, said):
    with pytest.raises(PromptError, match=said):
        as_boxes(box, (100, 100))
