from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samhq.evaluation.thin import thin_part, thin_radius, thin_score


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    """The union of all discs inside the mask; outside the picture counts as inside."""
    height, width = mask.shape
    y, x = np.mgrid[:height, :width]
    result = np.zeros_like(mask)
    for row in range(height):
        for column in range(width):
            disc = (y - row) ** 2 + (x - column) ** 2 <= radius**2
            if mask[disc].all():
                result |= disc
    return result


@given(arrays(bool, (12, 15), elements=st.booleans() | st.just(True)), st.integers(1, 4))
def test_the_thin_part_is_what_an_opening_removes(mask: np.ndarray, radius: int) -> None:
    assert np.array_equal(thin_part(mask, radius), mask & ~opened(mask, radius))


def lollipop(scale: int = 1) -> np.ndarray:
    """A large disc with a long stick."""
    y, x = np.mgrid[: 100 * scale, : 160 * scale] / scale
    return ((y - 50) ** 2 + (x - 40) ** 2 <= 30**2) | ((abs(y - 50) < 2) & (x > 40) & (x < 150))


@pytest.mark.parametrize("scale", [1, 3])
def test_the_stick_counts_and_the_disc_does_not(scale: int) -> None:
    true, stick = lollipop(scale), lollipop(scale).copy()
    stick[:, : 72 * scale] = False
    disc = true & ~stick
    assert thin_part(true, thin_radius(true)).sum() == pytest.approx(stick.sum(), rel=0.1)
    assert thin_score(true, true) == 1
    assert thin_score(disc, true) < 0.1, "the stick is missed"
    assert thin_score(stick, true) == pytest.approx(1, abs=0.05), "the disc is no matter"


def test_a_bloated_stick_loses_precision() -> None:
    true = lollipop()
    hairy = true.copy()
    hairy[10:90:8, 70:150] = True
    assert 0.2 < thin_score(hairy, true) < 0.9
    assert thin_score(np.ones_like(true), true) == 1, "all the picture covers the stick, and has no thin part"


def test_what_has_no_score() -> None:
    solid = np.zeros((50, 50), bool)
    solid[10:40, 10:40] = True
    assert math.isnan(thin_score(solid, solid))
    assert math.isnan(thin_score(solid, solid & False))
    pixel = np.zeros((50, 50), bool)
    pixel[3, 4] = True
    assert thin_score(pixel, pixel) == 1, "a single pixel is as thin as can be"
    assert thin_score(pixel & False, pixel) == 0
