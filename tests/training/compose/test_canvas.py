"""The canvas: what is pasted hides what lies behind it, in pixels and in cover."""

from __future__ import annotations

import numpy as np

from samhq.training.compose.canvas import Composite, Layer


def plain(side: int = 8) -> Composite:
    whole = np.full((side, side), 255, np.uint8)
    inside = np.zeros((side, side), bool)
    inside[: side // 2] = True
    return Composite(np.full((side, side, 3), 100, np.uint8), (Layer(whole, "object"),), inside)


def test_an_opaque_object_hides_what_is_behind_it() -> None:
    alpha = np.zeros((8, 8), np.float32)
    alpha[2:5, 2:5] = 1
    canvas = plain().pasted(np.full((8, 8, 3), 200.0), alpha, "cutout")
    behind, front = canvas.layers
    assert (behind.cover[2:5, 2:5] == 0).all()
    assert behind.area == 64 - 9
    assert front.area == 9
    assert (canvas.image[2:5, 2:5] == 200).all()
    assert (canvas.image[0] == 100).all()


def test_half_covered_pixels_are_shared_between_front_and_back() -> None:
    canvas = plain().pasted(np.full((8, 8, 3), 200.0), np.full((8, 8), 0.5, np.float32), "thin")
    behind, front = canvas.layers
    assert abs(int(behind.cover[0, 0]) + int(front.cover[0, 0]) - 255) <= 1
    assert canvas.image[0, 0, 0] == 150


def test_a_faint_object_has_its_exact_cover() -> None:
    alpha = np.zeros((8, 8), np.float32)
    alpha[1] = 1
    canvas = plain().pasted(np.full((8, 8, 3), 200.0), alpha, "thin", visible=alpha * 0.5)
    assert canvas.layers[1].cover[1].min() == 255
    assert (canvas.image[1] == 150).all()


def test_padding_gets_the_mean_colour_but_not_under_pasted_objects() -> None:
    alpha = np.zeros((8, 8), np.float32)
    alpha[6:, 6:] = 1
    image = plain().pasted(np.full((8, 8, 3), 200.0), alpha, "cutout").padded().image
    assert (image[:4] == 100).all()
    assert (image[4:, :6] == 127).all()
    assert (image[6:, 6:] == 200).all()


def test_objects_of_too_few_pixels_are_not_visible() -> None:
    canvas = plain()
    assert len(canvas.visible(64)) == 1
    assert canvas.visible(65) == []
