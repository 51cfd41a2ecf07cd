"""Several pictures are told from one."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from samhq.errors import ImageError
from samhq.image.several import several


@pytest.mark.parametrize(
    "pictures",
    [
        *([], ["a.jpg"], ("a.jpg", Path("b.jpg")), range(3)),
        *(np.zeros((2, 4, 5, 3)), torch.zeros(2, 3, 4, 5)),
        *(np.array(["a.jpg", "b.jpg"]), np.array([Path("a.jpg"), b"..."], object)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sequences_stay_as_they_are(pictures: Any) -> None:
    assert several(pictures) is pictures


@pytest.mark.parametrize(
    ("picture", "came"),
    [
        ("a.jpg", "'a.jpg'"),
        (Path("a.jpg"), "'a.jpg'"),
        (b"...", "3 bytes"),
        (io.BytesIO(), "the file"),
        (Image.new("L", (5, 4)), "a PIL image L 5 x 4"),
        (np.zeros((4, 5, 3), np.uint8), r"an array uint8 \[4, 5, 3\]"),
        (torch.zeros(3, 4, 5), r"a tensor torch.float32 \[3, 4, 5\]"),
        (np.zeros(9, np.uint8), r"an array uint8 \[9\]"),
        (SimpleNamespace(), "a value of type SimpleNamespace"),
    ],
)
def test_one_picture_is_named(picture: Any, came: str) -> None:
    with pytest.raises(ImageError, match=rf"got one: {came}.*\. Write \[picture\]\."):
        several(picture)


def test_an_iterator_is_made_a_list() -> None:
    with pytest.raises(ImageError, match=r"Write list\(pictures\)"):
        several(path for path in ["a.jpg"])
