"""The second look: when there is a first one, and how crops share a pass of the network."""

from __future__ import annotations

import numpy as np
import pytest
from tests.inference.test_refine import PROMPTS, RedFinder, comb, painted

from samhq.config import Defaults
from samhq.image import network_inputs
from samhq.inference import crop_masks
from samhq.inference.refine import refine
from samhq.inference.segment import Segmenter
from samhq.results.prompt import Prompt


@pytest.fixture
def finder() -> RedFinder:
    return RedFinder()


@pytest.fixture
def red(finder: RedFinder) -> Segmenter:
    return Segmenter(finder)


def test_where_boxes_decide_there_is_no_first_look(
    red: Segmenter, finder: RedFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = comb((900, 1024), 600, 400)
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=0.25))
    encoded: list[int] = []
    encode = finder.encode
    monkeypatch.setattr(finder, "encode", lambda pixels: encoded.append(len(pixels)) or encode(pixels))
    both = refine(red, red.segment(painted(truth), box=PROMPTS["box"].box, refine=False), margin=0.25)
    assert (encoded, len(finder.asked)) == ([1, 1], 2)
    at_once = red.segment(painted(truth), box=PROMPTS["box"].box)
    assert (encoded, len(finder.asked)) == ([1, 1, 1], 3)
    assert np.array_equal(at_once.masks, both.masks)
    assert np.array_equal(at_once.low_res_logits, both.low_res_logits)
    red.segment(painted(truth), prompts=[PROMPTS["box"], PROMPTS["click"]])
    assert encoded[3:] == [1, 1], "the box's crop, and the whole picture for the click"
    assert [len(prompts) for prompts in finder.asked[3:]] == [1, 1]


def test_an_empty_mask_of_a_box_is_looked_for_in_the_whole_picture(red: Segmenter, finder: RedFinder) -> None:
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=0.25))
    white = np.full((900, 1024, 3), 255, np.uint8)
    result = red.segment(white, boxes=[[10, 10, 60, 60], [300, 300, 380, 390]])
    assert not result.masks.any()
    assert [len(prompts) for prompts in finder.asked] == [2, 2]


def test_only_pictures_that_need_a_first_look_are_encoded_whole(
    red: Segmenter, finder: RedFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=0.25))
    pictures = [painted(comb((900, 1024), x, 400)) for x in (600, 100, 300)]
    lists = [[PROMPTS["box"]], [PROMPTS["box"], Prompt(points=[[103, 405]])], [Prompt(points=[[303, 405]])]]
    alone = [red.segment(picture, prompts=prompts) for picture, prompts in zip(pictures, lists, strict=True)]
    whole_pictures: list[int] = []
    to_square = network_inputs.to_square
    monkeypatch.setattr(
        network_inputs, "to_square", lambda image, form: whole_pictures.append(1) or to_square(image, form)
    )
    together = red.segment_batch(pictures, lists)
    assert len(whole_pictures) == 2
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.masks, other.masks)
        assert np.array_equal(one.low_res_logits, other.low_res_logits)


def test_crops_are_encoded_together(red: Segmenter, finder: RedFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [[x, 100, x + 60, 170] for x in range(0, 900, 30)]
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=0.25))
    picture = painted(comb((900, 1024), 300, 90))
    masks = red.segment(picture, boxes=boxes).masks
    assert [len(prompts) for prompts in finder.asked][:-1] == [16, 14], "sixteen squares of 256 are 2^20 pixels"
    monkeypatch.setattr(crop_masks, "_PIXELS_TOGETHER", 1)
    assert np.array_equal(red.segment(picture, boxes=boxes).masks, masks)
