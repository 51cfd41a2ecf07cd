from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samhq.errors import ConfigError, ImageError
from samhq.image.draw import PALETTE, colour, cutout, line_width, overlay

# Source: Machado, Oliveira, Fernandes, 2009; complete deuteranopia and protanopia, on linear RGB.
DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
PROTANOPIA = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])


def photo(height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def disc(y: float, x: float, radius: float, height: int = 60, width: int = 80) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def around(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    height, width = mask.shape
    shifts = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.logical_or.reduce(shifts)


@pytest.mark.parametrize("matrix", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_hues_keep_apart_for_every_eye(matrix):
    seen = (np.array(PALETTE) / 255) ** 2.2 @ matrix.T
    levels = np.clip(seen, 0, 1) ** (1 / 2.2) * 255
    for a, b in itertools.combinations(levels, 2):
        assert np.linalg.norm(a - b) > 20


def test_many_masks_have_colours_of_their_own():
    assert len({colour(i) for i in range(21)}) == 21
    assert colour(21) == colour(0)


@settings(deadline=None, max_examples=30)
@given(st.floats(-5, 65), st.floats(-5, 85), st.floats(1, 40), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_only_the_mask_and_its_rim_change(y, x, radius, alpha):
    image, mask = photo(), disc(y, x, radius)
    before = image.copy()
    got = overlay(image, mask[None], alpha=alpha)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(got[~around(mask)], image[~around(mask)])
    np.testing.assert_array_equal(got[around(mask) & ~mask], image[around(mask) & ~mask] // 2)
    padded = np.pad(mask, 1)
    inner = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    assert np.abs(got[inner] - (image[inner] * (1 - alpha) + np.array(colour(0)) * alpha)).max(initial=0) <= 0.51
    line = mask & ~inner
    assert (got[line] == [level + (255 - level) // 3 for level in colour(0)]).all()


def test_small_masks_lie_over_large_ones_in_their_own_colour():
    image, large, small = photo(), disc(30, 40, 25), disc(30, 40, 6)
    forth, back = (
        overlay(image, np.stack([large, small]), alpha=1.0),
        overlay(image, np.stack([small, large]), alpha=1.0),
    )
    assert tuple(forth[30, 40]) == colour(1)
    assert tuple(back[30, 40]) == colour(0)
    assert tuple(forth[30, 55]) == colour(0)


def test_empty_and_absent_masks():
    image = photo()
    np.testing.assert_array_equal(overlay(image, np.zeros((0, 60, 80), bool)), image)
    np.testing.assert_array_equal(overlay(image, np.zeros((2, 60, 80), bool)), image)


def test_a_single_mask_and_a_tensor():
    image, mask = photo(), disc(30, 40, 9)
    np.testing.assert_array_equal(overlay(image, torch.from_numpy(mask)), overlay(image, mask[None]))


def test_clicks_differ_in_colour_and_shape():
    image = np.full((120, 160, 3), 128, np.uint8)
    none = np.zeros((0, 120, 160), bool)
    good = overlay(image, none, points=[[40, 60]])
    bad = overlay(image, none, points=[[40, 60]], labels=[0])
    assert good[60, 40].argmax() == 1
    assert bad[60, 40].argmax() == 0
    assert ((good != image).any(2) != (bad != image).any(2)).any()
    both = overlay(image, none, points=torch.tensor([[40.0, 60.0], [120.0, 60.0]]), labels=[1, 0])
    np.testing.assert_array_equal(both[:, :80], good[:, :80])
    # A dot is the same from all four sides, and its middle is the pixel that was clicked.
    changed = np.argwhere((bad != image).any(2))
    assert (changed.min(0) + changed.max(0)).tolist() == [120, 80]


@pytest.mark.parametrize("point", [[0, 0], [159, 119], [-1, -1], [160, 120], [500, -300]])
def test_clicks_at_and_beyond_the_border(point):
    got = overlay(photo(120, 160), np.zeros((0, 120, 160), bool), points=[point], boxes=[[-9, -9, 300, 300]])
    assert got.shape == (120, 160, 3)


def test_boxes_are_frames():
    image = np.full((120, 160, 3), 128, np.uint8)
    mask = disc(60, 80, 10, 120, 160)
    got = overlay(image, mask[None], boxes=np.array([[20, 30, 140, 100.0]]))
    assert tuple(got[30, 80]) == tuple(got[100, 80]) == tuple(got[60, 20]) == tuple(got[60, 140]) == colour(0)
    assert (got[35:45, 30:130] == 128).all()
    assert (got[:25] == 128).all()


@pytest.mark.parametrize(("size", "width"), [((100, 100), 1), ((480, 640), 2), ((3000, 4000), 3), ((1, 1), 1)])
def test_lines_grow_with_the_picture(size, width):
    assert line_width(size) == width


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        (photo().astype(float), np.zeros((1, 60, 80), bool)),
        (photo()[..., 0], np.zeros((1, 60, 80), bool)),
        (photo(), np.zeros((1, 80, 60), bool)),
        (photo(), np.zeros((1, 60, 80))),
        (photo(), np.zeros((1, 1, 60, 80), bool)),
    ],
)
def test_what_does_not_fit_is_refused(image, masks):
    with pytest.raises(ImageError, match=r"Expected .* got .*\. [A-Z`]"):
        overlay(image, masks)


def test_alpha_is_a_fraction():
    with pytest.raises(ConfigError, match="alpha as a number from 0 up to 1"):
        overlay(photo(), np.zeros((1, 60, 80), bool), alpha=127)


def test_a_cut_out_has_the_object_and_nothing_else():
    image, mask = photo(), disc(10, 70, 15)
    got = cutout(image, mask)
    np.testing.assert_array_equal(got[mask], np.concatenate([image[mask], np.full((mask.sum(), 1), 255)], axis=1))
    assert not got[~mask].any()
    cropped = cutout(image, torch.from_numpy(mask), crop=True)
    np.testing.assert_array_equal(cropped, got[0:26, 55:80])


def test_a_cut_out_of_nothing_is_transparent():
    got = cutout(photo(), np.zeros((60, 80), bool), crop=True)
    assert got.shape == (60, 80, 4)
    assert not got.any()
