from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.draw import polygon2mask
from skimage.measure import label

from samhq.errors import ConfigError, ImageError
from samhq.masks.polygons import Polygon, polygons_from_mask, simplified

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
noise = st.tuples(st.integers(1, 60), st.integers(1, 60), st.floats(0.02, 0.98), st.integers(0, 999)).map(
    lambda t: np.random.default_rng(t[3]).random(t[:2]) < t[2]
)


def filled(polygon: Polygon, shape: tuple[int, int]) -> np.ndarray:
    """Even-odd filling of rings with upright edges, exact: each edge toggles all pixels to its right."""
    toggles = np.zeros((shape[0], shape[1] + 1), int)
    for ring in (polygon.exterior, *polygon.holes):
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
            if x0 == x1:
                toggles[min(y0, y1) : max(y0, y1), x0] += 1
    return toggles.cumsum(1)[:, :-1] % 2 == 1


def signed_area(ring: np.ndarray) -> float:
    x, y = ring.T.astype(float)
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@settings(deadline=None, max_examples=150)
@given(masks | noise)
def test_each_polygon_filled_is_one_area_of_the_mask(mask):
    areas = label(mask, connectivity=1)
    polygons = polygons_from_mask(mask)
    assert len(polygons) == areas.max()
    seen = set()
    for polygon in polygons:
        inside = filled(polygon, mask.shape)
        (number,) = np.unique(areas[inside])
        np.testing.assert_array_equal(inside, areas == number)
        seen.add(number)
    assert len(seen) == len(polygons)


@settings(deadline=None, max_examples=100)
@given(masks | noise)
def test_rings_are_simple_and_turn_at_every_corner(mask):
    total = 0.0
    for polygon in polygons_from_mask(mask):
        for ring in (polygon.exterior, *polygon.holes):
            assert len({tuple(point) for point in ring.tolist()}) == len(ring)
            steps = np.roll(ring, -1, 0) - ring
            assert ((steps == 0).sum(1) == 1).all()
            assert ((steps[:, 0] == 0) != (np.roll(steps, 1, 0)[:, 0] == 0)).all()
            total += signed_area(ring)
        assert signed_area(polygon.exterior) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)
    assert total == mask.sum()


def test_an_independent_filling_agrees():
    y, x = np.mgrid[:80, :90]
    mask = ((x - 40) ** 2 + (y - 35) ** 2 < 900) & ((x - 45) ** 2 + (y - 30) ** 2 > 100)
    (polygon,) = polygons_from_mask(mask)
    # polygon2mask asks whether pixel centres, at whole numbers (row, column), lie inside.
    outer = polygon2mask(mask.shape, polygon.exterior[:, ::-1] - 0.5)
    inner = polygon2mask(mask.shape, polygon.holes[0][:, ::-1] - 0.5)
    np.testing.assert_array_equal(outer & ~inner, mask)


def test_an_island_in_a_hole_is_its_own_polygon():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[3:6, 3:6] = True
    mask[4, 4] = False
    outer, island = polygons_from_mask(mask)
    assert outer.exterior[0].tolist() == [1, 1]
    assert [h[0].tolist() for h in outer.holes] == [[2, 2]]
    assert [h[0].tolist() for h in island.holes] == [[4, 4]]


def test_pixels_that_meet_by_a_corner_are_two_areas():
    assert len(polygons_from_mask(np.eye(2, dtype=bool))) == 2
    assert len(polygons_from_mask(np.eye(2, dtype=bool)[::-1])) == 2


def test_no_area_no_polygons():
    assert polygons_from_mask(np.zeros((4, 5), bool)) == []
    assert polygons_from_mask(np.zeros((0, 5), bool)) == []


def test_views_are_read_as_they_are():
    mask = np.random.default_rng(0).random((20, 31)) < 0.6
    for view in (mask.T, mask[::-1], mask[2:, ::3]):
        total = sum((filled(p, view.shape) for p in polygons_from_mask(view)), np.zeros(view.shape, int))
        np.testing.assert_array_equal(total, view)


def distance_to_ring(points: np.ndarray, ring: np.ndarray) -> np.ndarray:
    start, end = ring.astype(float), np.roll(ring, -1, 0).astype(float)
    along = end - start
    away = points[:, None] - start
    t = np.clip((away * along).sum(-1) / (along**2).sum(-1), 0, 1)
    return np.linalg.norm(away - t[..., None] * along, axis=-1).min(1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.sampled_from([0.5, 1.0, 2.5, 8.0]))
def test_what_is_left_out_stays_near(seed, tolerance):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:70, :70]
    turns = np.arctan2(y - 35, x - 35)[..., None] * np.arange(2, 7) + rng.uniform(0, 6, 5)
    mask = np.hypot(y - 35, x - 35) < 22 + (rng.uniform(0, 3, 5) * np.sin(turns)).sum(-1)
    for exact, simple in zip(polygons_from_mask(mask), polygons_from_mask(mask, tolerance), strict=True):
        assert 3 <= len(simple.exterior) <= len(exact.exterior)
        if len(simple.exterior) < len(exact.exterior):
            assert distance_to_ring(exact.exterior.astype(float), simple.exterior).max() <= tolerance + 1e-9
        assert {tuple(p) for p in simple.exterior.tolist()} <= {tuple(p) for p in exact.exterior.tolist()}


def test_a_slanted_edge_becomes_a_line():
    mask = np.tri(100, dtype=bool)
    assert len(polygons_from_mask(mask)[0].exterior) == 202
    assert len(polygons_from_mask(mask, 1.0)[0].exterior) <= 5


def test_small_rings_stay():
    mask = np.ones((9, 9), bool)
    mask[4, 4] = False
    (polygon,) = polygons_from_mask(mask, 50.0)
    assert len(polygon.exterior) >= 3
    assert len(polygon.holes[0]) >= 3


def test_simplifying_all_rings_at_once_is_the_same_as_one_by_one():
    mask = np.random.default_rng(0).random((60, 60)) < 0.55
    rings = [ring for p in polygons_from_mask(mask) for ring in (p.exterior, *p.holes)]
    together = simplified(rings, 1.2)
    assert sum(map(len, together)) < sum(map(len, rings))
    for ring, simple in zip(rings, together, strict=True):
        np.testing.assert_array_equal(simplified([ring], 1.2)[0], simple)
    assert simplified([], 1.0) == []


def test_points_on_top_of_each_other():
    assert simplified([np.array([[1, 1], [1, 1], [1, 1]])], 1.0)[0].tolist() == [[1, 1]] * 3


@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.zeros((1, 3, 3), bool), [[1]], None])
def test_only_bool_masks_have_outlines(mask):
    with pytest.raises(ImageError, match=r"Expected .* got .*\. [A-Z`]"):
        polygons_from_mask(mask)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf"), "1"])
def test_tolerances_are_distances(tolerance):
    with pytest.raises(ConfigError, match="tolerance"):
        polygons_from_mask(np.zeros((3, 3), bool), tolerance)


def test_a_large_mask_is_quick():
    y, x = np.mgrid[:1000, :1000]
    mask = np.sin(x / 17.0) * np.cos(y / 23.0) + np.sin((x + y) / 9.0) > 0.3
    used = time.process_time()
    polygons = polygons_from_mask(mask)
    assert time.process_time() - used < 1.0  # some 60 ms on an idle core
    assert sum(len(p.exterior) for p in polygons) > 1000
