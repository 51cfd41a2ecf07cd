"""A first look's mask and prompts, at other places and sizes than it was made for."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from tests.inference.test_refine import iou

from samhq.image.frame import Frame
from samhq.image.windows import Window, whole
from samhq.inference.first_look import Coarse, WindowView, agree
from samhq.masks.regions import Piece
from samhq.results.prompt import Prompt


def test_the_first_mask_becomes_a_prompt_at_the_same_places() -> None:
    """Where logits are columns of the picture, the prompt's logits are the columns its own pixels lie on."""
    frame, window = Frame.fit((300, 400), 128), Window(120, 60, 320, 160)
    columns = (torch.arange(32) + 0.5) * 4 / frame.scale_xy[0]
    inner = Frame.fit(window.hw, 256)
    prompt = Coarse(columns.expand(32, 32).clone(), frame).prompt(window, inner)
    expected = 120 + (np.arange(64) + 0.5) * 4 / inner.scale_xy[0]
    assert np.allclose(prompt[:32], expected, atol=1e-3)
    assert (prompt[32:] == -10).all(), "below lies the padding"


def test_coarse_masks_are_those_of_the_frame() -> None:
    """Sampled in one step; by the frame in two, by way of the square."""
    frame = Frame.fit((300, 420), 64)
    generator = torch.Generator().manual_seed(0)
    logits = F.interpolate(torch.randn(1, 1, 5, 5, generator=generator), (16, 16), mode="bicubic")
    coarse = Coarse(logits[0, 0], frame)
    expected = frame.masks_to_image(logits)[0, 0].numpy()
    assert iou(coarse.mask(whole((300, 420))), expected) > 0.97
    window = Window(100, 50, 333, 280)
    assert np.array_equal(coarse.mask(window), coarse.mask(whole((300, 420)))[window.slices()])
    assert Piece.of(expected).window.meet(coarse.box()) == Piece.of(expected).window


def test_a_box_alone_is_moved_into_the_window() -> None:
    view = WindowView(Window(10, 20, 110, 100), Prompt(points=[[30, 40], [5, 5]], labels=[1, 0], box=[20, 30, 60, 70]))
    inside = view.prompt_inside(Frame.fit((80, 100), 64), (300, 300))
    assert view.worth_a_look
    assert np.asarray(inside.box).tolist() == [10, 10, 50, 50]
    assert np.asarray(inside.points).tolist() == [[20, 20]], "the other click is out of view"
    assert inside.mask is None


def test_a_tile_without_outline_is_not_worth_a_look() -> None:
    frame = Frame.fit((64, 64), 64)
    logits = torch.full((16, 16), -10.0)
    logits[:, :8] = 10
    coarse, prompt = Coarse(logits, frame), Prompt(points=[[3, 3]])
    worth = {
        (x0, tile): WindowView(Window(x0, 0, x0 + 16, 64), prompt, coarse, whole_object=not tile).worth_a_look
        for x0 in (0, 24, 48)
        for tile in (True, False)
    }
    assert worth == {(0, True): False, (0, False): True, (24, True): True, (24, False): True} | {
        (48, tile): False for tile in (True, False)
    }


def test_masks_agree_if_more_than_half_of_both_is_common() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], other[:3] = True, True
    assert agree(one, other)
    assert not agree(one, ~one)
    assert not agree(one, np.ones((4, 4), bool)), "half is not enough"
