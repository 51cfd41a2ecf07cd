"""The types of inputs hold for what people pass, and for nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from beartype import BeartypeConf
from beartype.door import is_bearable
from PIL import Image

from samhq.image import inputs
from samhq.image.boxes import as_boxes, as_points
from samhq.image.read import read_image

_AS_IN_MYPY = BeartypeConf(is_pep484_tower=True)  #: Whole numbers are floats.
IMAGE = np.zeros((20, 30, 3), np.uint8)


@pytest.mark.parametrize("picture", [IMAGE, torch.zeros(3, 20, 30), Image.new("RGB", (30, 20))])
def test_pictures(picture: Any) -> None:
    assert is_bearable(picture, inputs.PictureInput, conf=_AS_IN_MYPY)
    assert is_bearable(picture, inputs.MaskInput, conf=_AS_IN_MYPY)
    assert read_image(picture).shape == (20, 30, 3)


def test_files_in_every_form(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for file in (tmp_path / "a.png", str(tmp_path / "a.png"), content, bytearray(content), io.BytesIO(content)):
        assert is_bearable(file, inputs.PictureInput, conf=_AS_IN_MYPY)
        assert read_image(file).shape == (20, 30, 3)


@pytest.mark.parametrize("points", [[[3, 4]], [(3.0, 4.0)], (3, 4), np.array([[3, 4]]), torch.tensor([[3, 4]])])
def test_points(points: Any) -> None:
    assert is_bearable(points, inputs.PointsInput, conf=_AS_IN_MYPY)
    assert as_points(points, None, (20, 30))[0].tolist() == [[3, 4]]


@pytest.mark.parametrize("box", [[0, 5, 10, 15], (0.0, 5, 10, 15), np.arange(4) * 5, torch.arange(4) * 5])
def test_boxes(box: Any) -> None:
    assert is_bearable(box, inputs.BoxInput, conf=_AS_IN_MYPY)
    assert is_bearable([box, box], inputs.BoxesInput, conf=_AS_IN_MYPY)
    assert as_boxes([box], (20, 30)).tolist() == [[0, 5, 10, 15]]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3.5, inputs.PictureInput),
        (None, inputs.PictureInput),
        ("here", inputs.PointsInput),
        ({"x": 1}, inputs.PointsInput),
        (5, inputs.BoxInput),
        (["a", "b", "c", "d"], inputs.BoxInput),
        (3, inputs.TextInput),
    ],
)
def test_what_no_public_function_takes(value: Any, kind: Any) -> None:
    assert not is_bearable(value, kind, conf=_AS_IN_MYPY)
