"""However prompts are nested, they come out by picture and object, padded with values that take no part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from samhq.compat.transformers.nesting import nested_prompts, pad
from samhq.errors import PromptError

POINTS = [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[[9, 8], [7, 6]], [[5, 4], [3, 2]]]]  # [image][object][point][x, y]


@pytest.mark.parametrize(
    "given",
    [
        POINTS,
        tuple(map(tuple, POINTS)),
        np.array(POINTS),
        torch.tensor(POINTS),
        [np.array(image) for image in POINTS],
        [[torch.tensor(points) for points in image] for image in POINTS],
    ],
    ids=["lists", "tuples", "array", "tensor", "arrays", "tensors"],
)
def test_every_container_gives_the_same_points(given: Any) -> None:
    padded = pad(nested_prompts(given, None, None, 2))
    assert padded.points is not None
    assert padded.points.tolist() == POINTS
    assert padded.labels is None


def test_without_the_level_of_objects_each_image_has_one() -> None:
    nested = nested_prompts([[[1, 2]], [[3, 4], [5, 6]]], [[1], [1, 0]], None, 2)
    padded = pad(nested)
    assert padded.points is not None
    assert padded.labels is not None
    assert padded.points.shape == (2, 1, 2, 2)
    assert padded.labels.tolist() == [[[1, -10]], [[1, 0]]]
    assert padded.points[0, 0, 1].tolist() == [-10, -10]


def test_missing_boxes_are_not_numbers() -> None:
    padded = pad(nested_prompts(None, None, [[[1, 2, 3, 4], None], [[5, 6, 7, 8]]], 2))
    assert padded.boxes is not None
    assert padded.boxes[0, 0].tolist() == [1, 2, 3, 4]
    assert np.isnan(padded.boxes[0, 1]).all()
    assert np.isnan(padded.boxes[1, 1]).all()


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_a_box_may_stand_alone_in_a_list(make: Any) -> None:
    """As `[image][object][one box]`, beside the form that has a group of all objects below the image."""
    boxes = [[[1, 2, 3, 4], [5, 6, 7, 8]], [[9, 9, 12, 13], [0, 1, 2, 3]]]
    wanted = pad(nested_prompts(None, None, boxes, 2)).boxes
    for nested in ([[[box] for box in image] for image in boxes], [[image] for image in boxes]):
        found = pad(nested_prompts(None, None, make(nested), 2)).boxes
        assert found is not None
        assert np.array_equal(found, wanted)
    with pytest.raises(PromptError, match="input_boxes"):
        nested_prompts(None, None, make([[image, image] for image in boxes]), 2)


def test_an_image_may_have_no_objects() -> None:
    padded = pad(nested_prompts([[], []], None, [[], []], 2))
    assert padded.points is not None
    assert padded.boxes is not None
    assert (padded.points.shape[:2], padded.boxes.shape) == ((2, 0), (2, 0, 4))


@pytest.mark.parametrize(
    ("points", "labels", "boxes", "message"),
    [
        (None, [[1]], None, "labels alone"),
        ([1, 2], None, None, "levels of nesting"),
        (POINTS[:1], None, None, "input_points"),
        (POINTS, [[[1], [1, 1]], [[1, 1], [1, 1]]], None, "points by image and object"),
        ([[[1, 2, 3]]] * 2, None, None, "image"),
        ([[["a", 2]]] * 2, None, None, "input_points"),
        (None, None, [[[1, 2, 3]]] * 2, "x0, y0, x1, y1"),
    ],
)
def test_other_nesting_is_refused(points: Any, labels: Any, boxes: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        nested_prompts(points, labels, boxes, 2)
