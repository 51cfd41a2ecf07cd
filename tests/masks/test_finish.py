"""Finishing keeps its promises, and is off where nothing is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.masks.test_clean import holes, parts
from tests.results.drawn import masks, nested

from samhq.errors import ConfigError
from samhq.masks.finish import Finish


@settings(deadline=None)
@given(masks, st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.0, 1.0, 3.5]))
def test_the_result_keeps_all_promises_at_once_and_the_input_is_left_alone(mask, hole, speck, radius):
    before = mask.copy()
    result = Finish(hole, speck, radius).apply(mask)
    np.testing.assert_array_equal(mask, before)
    assert all(area > hole for area in holes(result))
    areas = parts(result, corners=True)
    assert len(areas) <= 1 or min(areas) >= speck


def test_nothing_is_done_by_default():
    mask = nested(9, 12, 1)
    assert Finish().apply(mask) is mask
    assert not Finish().changes_masks
    image = np.zeros((9, 12, 3), np.uint8)
    np.testing.assert_array_equal(Finish().alpha(image, mask), mask)


@pytest.mark.parametrize("name", ["fill_holes", "drop_specks", "smooth", "soft_edge"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e30, "2", True])
def test_negative_sizes_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Finish(**{name: value})
