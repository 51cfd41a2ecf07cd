"""Points in place of a grid are checked and kept as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samhq.errors import ConfigError
from samhq.results.point_grids import checked_grids


def test_points_come_back_as_arrays() -> None:
    whole, crops = checked_grids([[[0.25, 0.5]], np.array([[0, 1], [1, 0]])], 1)
    assert (whole.tolist(), crops.tolist(), crops.dtype) == ([[0.25, 0.5]], [[0.0, 1.0], [1.0, 0.0]], np.float64)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("grids", "message"),
    [
        (5, "a list of points"),
        (["abc"], "as points"),
        ([np.zeros((0, 2))], "0..1"),
        ([[[0.5, 1.5]]], "Divide pixels"),
        ([[[0.5, float("nan")]]], "0..1"),
        ([], "1 layers.*got 0"),
    ],
)
def test_other_values_are_refused(grids: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_grids(grids, 0)


def test_each_layer_of_crops_needs_points() -> None:
    with pytest.raises(ConfigError, match="2 layers"):
        checked_grids([[[0.5, 0.5]]], 1)
