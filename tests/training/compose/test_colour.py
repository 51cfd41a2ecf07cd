"""Changes of colour keep shape and type; light is pulled towards the new place, and shadows only darken."""

from __future__ import annotations

import numpy as np
import pytest

from samhq.training.compose.colour import degraded, recoloured, relit, with_shadow


@pytest.mark.parametrize("change", [recoloured, degraded])
def test_a_changed_picture_is_a_picture_of_the_same_size(change) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    kinds = set()
    for seed in range(40):
        changed = change(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        kinds.add(bool(np.array_equal(changed, image)))
    assert kinds == {True, False}


def test_changing_twice_with_one_generator_state_is_the_same() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert np.array_equal(degraded(image, np.random.default_rng(3)), degraded(image, np.random.default_rng(3)))


def test_light_is_pulled_towards_the_place() -> None:
    colour = np.full((10, 3), 200.0)
    dark, bright = (
        np.mean(
            [relit(colour, np.full(3, 200.0), np.full(3, there), np.random.default_rng(s)).mean() for s in range(50)]
        )
        for there in (20.0, 250.0)
    )
    assert dark < bright


def test_a_shadow_only_darkens() -> None:
    image = np.full((64, 64, 3), 180, np.uint8)
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:40, 20:40] = 1
    dark = with_shadow(image, alpha, np.random.default_rng(0))
    assert (dark <= image).all()
    assert dark.min() < 170
