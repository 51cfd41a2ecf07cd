from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from samhq.masks import rle, runs
from samhq.masks.rings import filled_ring

sides = st.integers(1, 40)
coordinates = st.one_of(
    st.floats(-30, 70),
    st.integers(-5, 45).map(float),
    st.integers(-20, 90).map(lambda n: n / 2),
    st.integers(-100, 300).map(lambda n: n / 5),
)
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9).map(np.array)


@given(ring=rings, height=sides, width=sides)
def test_a_ring_is_filled_as_pycocotools_fills_it(ring: np.ndarray, height: int, width: int) -> None:
    (theirs,) = coco.frPyObjects([ring.ravel().tolist()], height, width)
    ours = runs.as_text(filled_ring(ring, (height, width)), (height, width))
    assert np.array_equal(rle.decode(ours), rle.decode({**theirs, "size": [height, width]}))


@pytest.mark.parametrize("far", [1e5, 1e7, 1e8, 1e9, 1e11])
def test_coordinates_far_outside_cost_nothing_and_are_cut_off(far: float) -> None:
    half = np.array([[-far, -far], [20.0, -far], [20.0, far], [-far, far]])
    tracemalloc.start()
    mask = runs.mask_of(filled_ring(half, (30, 40)), (30, 40))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask[:, :20].all()
    assert not mask[:, 20:].any()
    assert peak < 1e6


def test_a_far_corner_leaves_the_slope_as_it_is() -> None:
    diagonal = np.array([[0.0, 0.0], [1e8, 1e8], [0.0, 1e8]])
    mask = runs.mask_of(filled_ring(diagonal, (50, 50)), (50, 50))
    assert np.array_equal(mask, np.tril(np.ones((50, 50), bool)) & mask)
    assert np.array_equal(mask | np.eye(50, dtype=bool), np.tril(np.ones((50, 50), bool)))


def test_many_long_edges_are_taken_in_parts() -> None:
    rng = np.random.default_rng(0)
    ring = rng.uniform(-2000, 3000, (4000, 2))
    tracemalloc.start()
    changes = filled_ring(ring, (500, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    (theirs,) = coco.frPyObjects([ring.ravel().tolist()], 500, 1000)
    assert runs.pixels_on(changes) == int(coco.area(theirs))
