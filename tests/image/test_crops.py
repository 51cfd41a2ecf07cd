"""Crops cover the picture as segment-anything's do, and grids are the centres of equal cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.image.crops import crop_boxes, point_grid

SIZES = st.tuples(st.integers(1, 400), st.integers(1, 400))


def test_the_published_example() -> None:
    crops = crop_boxes((300, 450), 1, 512 / 1500)
    assert [crop for crop, _ in crops] == [
        (0, 0, 450, 300),
        (0, 0, 276, 201),
        (0, 99, 276, 300),
        (174, 0, 450, 201),
        (174, 99, 450, 300),
    ]
    assert [layer for _, layer in crops] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_a_layer_has_four_times_as_many_crops_as_the_one_before(layers: int) -> None:
    assert len(crop_boxes((600, 800), layers, 0.3)) == sum(4**layer for layer in range(layers + 1))


@settings(deadline=None)
@given(SIZES, st.integers(0, 3), st.floats(0, 0.9))
def test_every_layer_covers_the_picture_and_nothing_else(size_hw: tuple[int, int], layers: int, ratio: float) -> None:
    height, width = size_hw
    seen = np.zeros((layers + 1, height, width), bool)
    for (x0, y0, x1, y1), layer in crop_boxes(size_hw, layers, ratio):
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        seen[layer, y0:y1, x0:x1] = True
    assert seen.all()


def test_neighbours_share_what_was_asked() -> None:
    (_, first, second, *_) = crop_boxes((1000, 1000), 1, 0.2)
    assert first[0][3] - second[0][1] == 200


@pytest.mark.parametrize("per_side", [1, 2, 7])
def test_a_grid_is_the_centres_of_cells(per_side: int) -> None:
    grid = point_grid(per_side)
    assert grid.shape == (per_side**2, 2)
    assert np.allclose(grid[:, 0].reshape(per_side, per_side), (np.arange(per_side) + 0.5) / per_side)
    assert np.allclose(grid + grid[::-1], 1)
