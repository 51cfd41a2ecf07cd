"""Shapes are looked up by name, and what is missing is named."""

from __future__ import annotations

import pytest
import torch

from samhq.errors import CheckpointError
from samhq.model.encoders.tensor_shapes import TensorShapes

STATE = {
    "a.0.weight": torch.zeros(2, 3),
    "a.1.weight": (4, 5),
    "a.x": (1,),
    "b.0": (0, 3),
    "c.0.w": (1,),
    "c.2.w": (1,),
}


def test_shapes_of_tensors_and_of_shapes() -> None:
    shapes = TensorShapes(STATE)
    assert shapes("a.0.weight", 2) == (2, 3)
    assert shapes("a.1.weight", 2) == (4, 5)
    assert shapes("b.0", 2, empty=True) == (0, 3)


@pytest.mark.parametrize(("key", "rank"), [("a.2.weight", 2), ("a.0.weight", 4), ("b.0", 2)])
def test_what_is_missing_or_of_other_axes_is_named(key: str, rank: int) -> None:
    with pytest.raises(CheckpointError, match=key.replace(".", r"\.")):
        TensorShapes(STATE)(key, rank)


def test_children_are_counted_without_a_gap() -> None:
    shapes = TensorShapes(STATE)
    assert shapes.count("a.") == 2
    for beginning in ("c.", "nothing."):
        with pytest.raises(CheckpointError, match="without a gap"):
            shapes.count(beginning)


def test_beginnings() -> None:
    shapes = TensorShapes(STATE)
    assert shapes.has("z", "a.1")
    assert not shapes.has("z")
