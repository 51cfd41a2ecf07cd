"""A label map's numbers are those of the objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from tests.results.drawn import annotation, masks, picture, scene

from samhq.errors import ConfigError
from samhq.results.label_map import label_map, write_label_map
from samhq.results.picture import Picture


def test_a_png_of_eight_bits_holds_the_numbers_and_shows_colours(tmp_path):
    one = scene()
    with Image.open(write_label_map(one, tmp_path / "a.png")) as png:
        assert png.mode == "P"
        values, shown = np.asarray(png), np.asarray(png.convert("RGB"))
    assert set(np.unique(values)) == {0, 1, 2, 4}
    for number, item in one.objects:
        np.testing.assert_array_equal(values == number, item.mask)
        assert len(np.unique(shown[item.mask], axis=0)) == 1
    assert not shown[values == 0].any()


def test_more_objects_take_sixteen_bits(tmp_path):
    found = []
    for i in range(300):
        mask = np.zeros((20, 20), bool)
        mask.flat[i] = True
        found.append(mask)
    with Image.open(write_label_map(picture(*found), tmp_path / "a.png")) as png:
        assert png.mode == "I;16"
        assert np.asarray(png).ravel().tolist() == [*range(1, 301), *[0] * 100]


def overlapping(*scores: float | None) -> Picture:
    """A small square on a large one."""
    large, small = np.ones((6, 6), bool), np.zeros((6, 6), bool)
    small[2:4, 2:4] = True
    return Picture("a", (6, 6), (annotation(small, score=scores[0]), annotation(large, score=scores[1])))


def test_the_smaller_or_the_better_object_wins():
    assert label_map(overlapping(0.1, 0.9))[2, 2] == 1
    assert label_map(overlapping(0.1, 0.9), "score")[2, 2] == 2
    assert label_map(overlapping(0.9, 0.1), "score")[2, 2] == 1
    assert label_map(overlapping(None, 0.1), "score")[2, 2] == 2
    assert label_map(overlapping(0.9, 0.1))[0, 0] == 2


@settings(deadline=None)
@given(masks)
def test_one_object_is_its_mask(mask):
    np.testing.assert_array_equal(label_map(picture(mask)) == 1, mask)


@pytest.mark.usefixtures("unchecked")
def test_limits_are_said(tmp_path):
    with pytest.raises(ConfigError, match="order"):
        label_map(scene(), "size")
    many = Picture("a", (1, 1), (annotation(np.zeros((1, 1), bool)),) * 65536)
    with pytest.raises(ConfigError, match="65536"):
        write_label_map(many, tmp_path / "a.png")
