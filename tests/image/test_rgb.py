"""Pictures that must be RGB already: each refusal says how to read or convert what came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ImageError
from samhq.image.read import read_image
from samhq.image.rgb import rgb_pixels


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, r"got None\. Check the path: cv2\.imread returns None"),
        ("cat.jpg", r"got 'cat\.jpg'\. Read it with samhq\.image\.read\.read_image\('cat\.jpg'\)"),
        (Path("cat.jpg"), r"got 'cat\.jpg'\. Read it with"),
        (np.zeros((4, 5), np.uint8), r"got uint8 \[4, 5\]\. Convert it with"),
        (np.zeros((4, 5, 3)), r"got float64 \[4, 5, 3\]\. Convert it with"),
        (np.zeros((0, 5, 3), np.uint8), r"got uint8 \[0, 5, 3\]"),
    ],
)
def test_what_is_not_yet_rgb_is_refused_with_what_to_do(value: object, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        rgb_pixels(value)


def test_rgb_is_taken_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert rgb_pixels(picture) is picture
    np.testing.assert_array_equal(rgb_pixels(Image.fromarray(picture)), picture)


def test_no_picture_at_all_says_how_that_happens() -> None:
    with pytest.raises(ImageError, match=r"got None\. Check the path: cv2\.imread returns None"):
        read_image(None)
    with pytest.raises(ImageError, match="Give the path or the pixels of a picture"):
        read_image(0)
