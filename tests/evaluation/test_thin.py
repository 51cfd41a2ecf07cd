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
def test_the_thin_part_is_what_an_opening_removes_but_for_short_bits(mask: np.ndarray, radius: int) -> None:
    from skimage.measure import label, regionprops

    removed = mask & ~opened(mask, radius)
    for bit in regionprops(label(removed, connectivity=2)):
        top, left, bottom, right = bit.bbox
        if max(bottom - top, right - left) <= 2 * radius:
            removed[tuple(bit.coords.T)] = False
    assert np.array_equal(thin_part(mask, radius), removed)


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
    assert thin_score(stick, true) == pytest.approx(1, abs=0.1), "the disc is no matter"


def test_the_score_by_its_definition() -> None:
    """What is added counts within two radii of the thin part, found by going through all pairs of pixels."""
    rng = np.random.default_rng(0)
    true = lollipop()[40:60, 60:150]
    pred = true ^ (rng.random(true.shape) < 0.1)
    radius = thin_radius(true)
    thin = thin_part(true, radius)
    places = np.argwhere(thin)
    near = [[((places - [y, x]) ** 2).sum(1).min() <= (2 * radius) ** 2 for x in range(90)] for y in range(20)]
    assert thin_score(pred, true) == (pred & thin).sum() / (thin.sum() + (pred & ~true & near).sum())


def test_a_stick_drowned_in_a_blob_is_no_better_than_a_missed_one() -> None:
    true = lollipop()
    blob = true.copy()
    blob[30:70, 70:150] = True
    fat = true.copy()
    fat[46:55, 70:150] = True
    assert thin_score(np.ones_like(true), true) < 0.35
    assert thin_score(blob, true) < 0.3 < thin_score(fat, true) < 0.6
    far = true.copy()
    far[:10, 100:] = True
    assert thin_score(far, true) == 1, "what lies elsewhere is not this score's business"


def test_what_has_no_score() -> None:
    solid = np.zeros((50, 50), bool)
    solid[10:40, 10:40] = True
    assert math.isnan(thin_score(solid, solid))
    assert math.isnan(thin_score(solid, solid & False))
    pixel = np.zeros((50, 50), bool)
    pixel[3, 4] = True
    assert math.isnan(thin_score(pixel, pixel)), "a single pixel is no structure"
    pixel[3, 4:7] = True
    assert (thin_score(pixel, pixel), thin_score(pixel & False, pixel)) == (1, 0), "three in a row are"


def test_corners_and_slanted_edges_are_not_thin() -> None:
    y, x = np.mgrid[:120, :120] - 60
    for angle in np.linspace(0, np.pi / 2, 7):
        u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        for half in (4, 10, 30):
            assert math.isnan(thin_score(*[(abs(u) < half) & (abs(v) < half)] * 2)), (angle, half)
