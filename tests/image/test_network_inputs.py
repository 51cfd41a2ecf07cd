from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.image import network_inputs
from samhq.image.network_inputs import inputs_of, with_inputs
from samhq.image.read import ReadPicture
from samhq.image.transform import SquareForm, to_pixels_fast, to_square
from samhq.image.windows import Window

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)


@pytest.mark.parametrize("squashed", [False, True])
def test_inputs_are_used_in_their_form_only(squashed: bool) -> None:
    form = SquareForm(16, squashed=squashed)
    picture = with_inputs(ReadPicture("a.png", IMAGE), form)
    assert inputs_of(picture, IMAGE, form) is picture.inputs
    for other in (SquareForm(8, squashed=squashed), SquareForm(16, squashed=not squashed)):
        inputs = inputs_of(picture, IMAGE, other)
        expected, frame = to_square(IMAGE, other)
        assert np.array_equal(inputs.square, expected)
        assert inputs.frame == frame


@pytest.mark.parametrize("source", ["a.png", IMAGE, ReadPicture("a.png", IMAGE)])
def test_inputs_that_were_not_made_yet_are_made(source: object) -> None:
    inputs = inputs_of(source, IMAGE, SquareForm(16))
    assert np.array_equal(inputs.square, to_square(IMAGE, SquareForm(16))[0])
    assert inputs.crops == {}


def test_inputs_of_crops_are_those_of_the_fast_path() -> None:
    form, window = SquareForm(16), Window(2, 3, 12, 20)
    inputs = inputs_of(with_inputs(ReadPicture("a.png", IMAGE), form, [window]), IMAGE, form)
    pixels, frame = to_pixels_fast(IMAGE[3:20, 2:12], form)
    assert torch.equal(inputs.crops[window][0], pixels)
    assert inputs.crops[window][1] == frame


def test_the_whole_picture_is_made_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    form = SquareForm(16)
    later = with_inputs(ReadPicture("a.png", IMAGE), form, whole=False)
    now = with_inputs(ReadPicture("a.png", IMAGE), form)
    assert later.inputs.frame == now.inputs.frame
    assert np.array_equal(later.inputs.square, now.inputs.square)
    again = with_inputs(ReadPicture("a.png", IMAGE), form, whole=False)
    monkeypatch.setattr(network_inputs, "to_square", None)  # Calling it would fail.
    assert now.inputs.square is now.inputs.square
    with pytest.raises(TypeError):
        _ = again.inputs.square
