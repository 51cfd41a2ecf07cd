from __future__ import annotations

import numpy as np
from scipy import ndimage

from samhq.masks.holes import cleaned, filled, small_components


def test_small_components_are_those_of_another_library() -> None:
    on = np.random.default_rng(0).random((40, 50)) > 0.6
    labels, count = ndimage.label(on, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    expected = on & (areas[labels] <= 4)
    assert expected.any()
    assert np.array_equal(small_components(on, 4), expected)


def test_both_are_found_in_the_logits_as_they_come() -> None:
    logits = np.full((7, 7), 3.0, np.float32)
    logits[1:6, 1:6] = -3.0
    logits[3, 3] = 3.0
    hole, speck = 24, 1
    made = cleaned(logits, hole, speck)
    assert made.dtype == np.float32
    assert made[3, 3] == -10  # a speck, though it lies in a hole that is filled
    assert (made[1:6, 1:6] == 10).sum() == 24
    assert np.array_equal(cleaned(logits, 0, 0), logits)
    assert np.array_equal(filled(logits, 23), logits)
