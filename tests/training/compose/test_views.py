"""Views: masks move with the picture, windows lie where they say, and enlarged masks keep their area."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.training.compose.views import ViewWindow, close_window, whole_window, window_canvas


def disc(size_hw: tuple[int, int], middle_xy: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return (columns - middle_xy[0]) ** 2 + (rows - middle_xy[1]) ** 2 <= radius**2


def picture_of(mask: np.ndarray) -> np.ndarray:
    return np.repeat(np.where(mask, 230, 20).astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize("turn", [0.0, 0.4, 2.5])
@pytest.mark.parametrize("window", [ViewWindow(0, 0, 120), ViewWindow(20, 10, 60), ViewWindow(-30, -20, 200)])
def test_a_mask_stays_on_what_it_covers(window: ViewWindow, turn: float) -> None:
    mask = disc((100, 120), (55, 45), 18)
    canvas = window_canvas(picture_of(mask), [(mask, "object")], window, 96, turn)
    bright = canvas.image[..., 0] > 140
    cover = canvas.layers[0].cover >= 128
    assert bright.any()
    assert (bright & cover).sum() / (bright | cover).sum() > 0.93


@pytest.mark.parametrize("side", [48, 96, 240, 480])
def test_area_scales_with_the_square_of_the_enlargement(side: int) -> None:
    mask = disc((120, 120), (60, 60), 30)
    canvas = window_canvas(picture_of(mask), [(mask, "object")], ViewWindow(0, 0, 120), side)
    assert canvas.layers[0].area == pytest.approx(mask.sum() * (side / 120) ** 2, rel=0.04)


def test_beyond_the_photograph_lies_the_mean_colour() -> None:
    canvas = window_canvas(np.zeros((50, 100, 3), np.uint8), [], ViewWindow(0, 0, 100), 64)
    assert canvas.photograph[:32].mean() > 0.95
    assert not canvas.photograph[33:].any()
    assert (canvas.image[34:] == 127).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 3.0))
def test_a_whole_window_shows_all_of_the_photograph_or_lies_inside_it(seed: int, factor: float) -> None:
    window = whole_window((60, 90), factor, np.random.default_rng(seed))
    assert window.side == pytest.approx(90 / factor)
    for start, length in ((window.x, 90), (window.y, 60)):
        assert start == 0 or 0 <= start <= length - window.side + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 85), st.integers(5, 55), st.integers(2, 20))
def test_a_close_window_holds_the_whole_object(seed: int, x: int, y: int, radius: int) -> None:
    mask = disc((60, 90), (x, y), radius)
    window = close_window(mask, np.random.default_rng(seed))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    slack = 0.16 * window.side  # the window is moved by up to 0.15 of its side
    assert window.x <= columns[0] + slack
    assert window.x + window.side >= columns[-1] + 1 - slack
    assert window.y <= rows[0] + slack
    assert window.y + window.side >= rows[-1] + 1 - slack
