"""Each function changes exactly what its docstring says; `parts` and `holes` count without the library under test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests.results.drawn import masks, nested

from samhq.errors import ImageError
from samhq.masks.clean import drop_specks, fill_holes, smooth, soft_edge


def parts(mask: np.ndarray, corners: bool) -> list[int]:
    """Areas of connected parts, by walking, without the library under test."""
    left = {tuple(p) for p in np.argwhere(mask).tolist()}
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0) and (corners or 0 in (y, x))]
    areas = []
    while left:
        todo, area = [left.pop()], 0
        while todo:
            y, x = todo.pop()
            area += 1
            near = {(y + dy, x + dx) for dy, dx in steps} & left
            left -= near
            todo += near
        areas.append(area)
    return areas


def holes(mask: np.ndarray) -> list[int]:
    """Areas of enclosed gaps: background parts but for the one around a padded picture."""
    outside = ndimage.binary_propagation(np.pad(np.zeros_like(mask), 1, constant_values=True), mask=~np.pad(mask, 1))
    return parts(~np.pad(mask, 1) & ~outside, corners=False)


@settings(deadline=None)
@given(masks, st.integers(0, 30))
def test_filled_holes_are_exactly_the_small_ones(mask, area):
    result = fill_holes(mask, area)
    assert (result >= mask).all()
    assert sorted(holes(result)) == sorted(a for a in holes(mask) if a > area)
    assert result.sum() - mask.sum() == sum(a for a in holes(mask) if a <= area)


@settings(deadline=None)
@given(masks, st.integers(0, 30))
def test_dropped_specks_are_exactly_the_small_ones(mask, area):
    result = drop_specks(mask, area)
    assert (result <= mask).all()
    before = sorted(parts(mask, corners=True))
    assert sorted(parts(result, corners=True)) == ([a for a in before if a >= area] or before[-1:])


def test_a_gap_that_is_open_to_the_border_is_no_hole():
    mask = np.ones((6, 6), bool)
    mask[:3, 2] = False
    np.testing.assert_array_equal(fill_holes(mask, 100), mask)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20), st.floats(0.5, 9))
def test_smoothing_keeps_straight_edges_to_the_border(height, width, rows, radius):
    mask = np.zeros((height, width), bool)
    mask[: min(rows, height)] = True
    np.testing.assert_array_equal(smooth(mask, radius), mask)


def test_smoothing_takes_hairs_and_rounds_corners_but_keeps_the_body():
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    mask[40, 60:75] = True
    result = smooth(mask, 6)
    assert not result[:, 62:].any()
    assert not result[20, 20]
    assert result[22:58, 22:58].sum() > 36 * 36 - 12
    assert result[20, 40]


def test_a_soft_edge_follows_the_picture_where_the_mask_misses_it():
    """The mask's edge is two pixels beside the picture's; opacity falls where the picture does."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = (200, 120, 40)
    mask = np.zeros((60, 60), bool)
    mask[:, 32:] = True
    alpha = soft_edge(image, mask, 6)
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    steps = np.diff(alpha[30])
    assert steps.argmax() == 29
    assert alpha[30, 31] - alpha[30, 29] > 0.5
    np.testing.assert_allclose(alpha[:, :20], 0, atol=1e-5)
    np.testing.assert_allclose(alpha[:, 44:], 1, atol=1e-5)


@pytest.mark.parametrize("radius", [1, 3])
def test_the_guided_filter_is_he_s_in_closed_form(radius):
    """Against a direct solution, window by window, far from the border."""
    source = np.random.default_rng(3)
    image = source.integers(0, 256, (15, 16, 3), np.uint8)
    mask = source.random((15, 16)) < 0.5
    guide, n = image / 255.0, (2 * radius + 1) ** 2
    slopes, offsets = {}, {}
    for y in range(radius, 15 - radius):
        for x in range(radius, 16 - radius):
            window = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
            colours, values = guide[window].reshape(n, 3), mask[window].ravel().astype(float)
            centred = colours - colours.mean(axis=0)
            slopes[y, x] = np.linalg.solve(
                centred.T @ centred / n + 1e-4 * np.eye(3), centred.T @ (values - values.mean()) / n
            )
            offsets[y, x] = values.mean() - slopes[y, x] @ colours.mean(axis=0)
    alpha = soft_edge(image, mask, radius)
    for y in range(2 * radius, 15 - 2 * radius):
        for x in range(2 * radius, 16 - 2 * radius):
            near = [(j, i) for j in range(y - radius, y + radius + 1) for i in range(x - radius, x + radius + 1)]
            expected = np.mean([slopes[k] for k in near], axis=0) @ guide[y, x] + np.mean([offsets[k] for k in near])
            assert alpha[y, x] == pytest.approx(np.clip(expected, 0, 1), abs=1e-4)


def test_a_soft_edge_does_not_depend_on_how_the_picture_is_cut(monkeypatch):
    source = np.random.default_rng(1)
    image = source.integers(0, 256, (90, 70, 3), np.uint8)
    mask = nested(90, 70, 9)
    whole = soft_edge(image, mask, 3)
    monkeypatch.setattr("samhq.masks.clean._TILE", 16)
    np.testing.assert_allclose(soft_edge(image, mask, 3), whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (4, 3)])
@pytest.mark.parametrize("value", [False, True])
def test_uniform_masks_stay(shape, value):
    mask = np.full(shape, value)
    image = np.full((*shape, 3), 9, np.uint8)
    for function in (fill_holes, drop_specks, smooth):
        np.testing.assert_array_equal(function(mask, 5), mask)
    np.testing.assert_array_equal(soft_edge(image, mask, 2), mask)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_mask_is_refused():
    for function in (fill_holes, drop_specks, smooth):
        with pytest.raises(ImageError, match="float64"):
            function(np.zeros((3, 3)), 2)
    with pytest.raises(ImageError, match="size"):
        soft_edge(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 3), bool), 2)
