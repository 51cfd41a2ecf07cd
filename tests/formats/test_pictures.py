"""Pictures beside their labels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.results.drawn import picture, scene

from samhq.errors import ImageError
from samhq.formats.pictures import checked_size_of, copy_picture


def test_a_file_is_copied_as_it_is(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "IN.JPG")
    (path,) = copy_picture(scene(source=tmp_path / "IN.JPG"), tmp_path / "out")
    assert path == tmp_path / "out" / "cat.jpg"
    assert path.read_bytes() == (tmp_path / "IN.JPG").read_bytes()


def test_pixels_are_written(tmp_path):
    (path,) = copy_picture(scene(), tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), scene().image)


def test_without_either_nothing_is_written(tmp_path):
    assert copy_picture(picture(np.ones((3, 4), bool)), tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_another_picture_is_refused(tmp_path):
    Image.new("RGB", (30, 40)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="Check file_name"):
        copy_picture(scene(source=tmp_path / "a.png"), tmp_path)


def test_sizes():
    assert checked_size_of(3.0, 4, "a") == (3, 4)
    with pytest.raises(ImageError, match="at most"):
        checked_size_of(1 << 15, 1 << 14, "a")
