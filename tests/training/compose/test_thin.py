"""Drawn thin things: exact cover, thin indeed, the same for the same generator."""

from __future__ import annotations

import numpy as np
import pytest

from samhq.training.compose.canvas import Composite
from samhq.training.compose.thin import FAMILIES, Pen, draw_thin

NAMES = [family.__name__ for family in FAMILIES]


def blank(side: int = 96) -> Composite:
    return Composite(np.full((side, side, 3), 120, np.uint8), (), np.ones((side, side), bool))


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_every_family_draws_thin_covers(family) -> None:
    shares, seen = [], 0
    for seed in range(12):
        for alpha in family(np.random.default_rng(seed), 96):
            assert alpha.shape == (96, 96)
            assert alpha.dtype == np.float32
            assert alpha.min() >= 0
            assert alpha.max() <= 1
            seen += bool(alpha.any())
            shares.append(alpha.mean())
    assert seen >= 8
    assert np.median(shares) < 0.25


def test_shares_of_families_add_up_to_one() -> None:
    assert sum(FAMILIES.values()) == pytest.approx(1)


@pytest.mark.parametrize("width", [1.0, 3.0, 8.0])
def test_a_line_is_as_wide_as_it_should_be_to_a_pixel(width: float) -> None:
    pen = Pen(128)
    pen.line(np.array([[20.0, 64.0], [108.0, 64.0]]), width)
    row_sum = pen.alpha()[:, 40:90].sum(0)
    assert np.abs(row_sum - width).max() <= 1


def test_the_same_generator_draws_the_same() -> None:
    first, second = (draw_thin(blank(), [blank().image], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert len(first.layers) == len(second.layers)


def test_what_is_drawn_differs_from_what_is_behind_it() -> None:
    differences = []
    for seed in range(30):
        canvas = draw_thin(blank(256), [blank(256).image], np.random.default_rng(seed))
        for layer in canvas.layers:
            assert layer.kind == "thin"
            inside = layer.cover >= 128
            if inside.sum() > 50:
                differences.append(np.abs(canvas.image[inside].astype(float).mean(0) - 120).max())
    assert len(differences) >= 10
    assert np.mean(np.array(differences) > 3) >= 0.9
