"""Bridges join all rings to one and change nothing that is filled."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from tests.results.drawn import annotation, filled, masks, nested

from samhq.formats.bridge import bridged
from samhq.masks.polygons import polygons_from_mask, rings


@settings(deadline=None)
@given(masks)
def test_one_ring_fills_to_the_mask(mask):
    polygons = polygons_from_mask(mask)
    ring = bridged(polygons)
    np.testing.assert_array_equal(filled([ring], mask.shape), mask)
    parts = list(rings(polygons))
    assert len(ring) == sum(map(len, parts)) + 2 * max(0, len(parts) - 1)


@settings(deadline=None)
@given(masks)
def test_the_ring_winds_once_around_the_object_and_not_around_holes(mask):
    """By the signed area, which counts by winding; fillers with the nonzero rule agree with even-odd ones."""
    ring = bridged(polygons_from_mask(mask)).astype(float)
    x, y = ring.T
    assert (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 == mask.sum()


def test_a_hole_is_entered_from_the_nearest_corner():
    mask = np.ones((10, 20), bool)
    mask[7:9, 16:19] = False
    ring = bridged(polygons_from_mask(mask)).tolist()
    corner = ring.index([20, 10])
    assert ring[corner + 1] == [19, 9]


def test_simplified_outlines_stay_near_the_mask():
    mask = nested(200, 200, 30)
    y, x = np.ogrid[:200, :200]
    mask &= (y - 100) ** 2 + (x - 100) ** 2 < 90**2
    exact, rough = annotation(mask).polygons(), annotation(mask).polygons(1.0)
    assert sum(map(len, rings(rough))) < sum(map(len, rings(exact))) / 3
    assert (filled([bridged(rough)], mask.shape) != mask).sum() < 0.03 * mask.sum()
