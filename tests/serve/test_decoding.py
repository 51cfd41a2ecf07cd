"""Candidates are those of the library, and their binary form is what the page reads."""

from __future__ import annotations

import copy
import json
import struct

import numpy as np
import pytest
import torch
from tests import tiny

from samhq.config import Defaults
from samhq.errors import SamHQWarning
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.masks import rle
from samhq.results.prompt import Prompt
from samhq.serve.decoding import full_mask, packed_candidates, possible_masks, prompt_of
from samhq.serve.faults import Fault
from samhq.serve.messages import MaskRequest

PROMPTS = {
    "click": {"points": [(20.0, 10.0)], "labels": [1]},
    "points": {"points": [(20.0, 10.0), (40.0, 30.0)], "labels": [1, 0]},
    "box": {"box": (5.0, 6.0, 50.0, 30.0)},
    "both": {"points": [(20.0, 10.0)], "labels": [1], "box": (5.0, 6.0, 50.0, 30.0)},
}


def encoded(segmenter: Segmenter) -> EncodedImage:
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    return segmenter.encode(noise)


@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
@pytest.mark.parametrize("name", PROMPTS)
def test_the_first_is_what_segment_gives_and_the_others_are_sams(config: tiny.ModelConfig, name: str) -> None:
    segmenter = Segmenter(tiny.shared(config))
    picture, prompt = encoded(segmenter), prompt_of(MaskRequest(**PROMPTS[name]))
    found = possible_masks(segmenter, picture, prompt, None)
    usual = segmenter.segment(picture, prompts=[prompt], refine=False)
    three = segmenter.segment(picture, prompts=[prompt], multimask=True, hq="off")
    torch.testing.assert_close(found[0].logits, torch.from_numpy(usual.low_res_logits[0, 0]))
    assert found[0].iou == pytest.approx(float(usual.candidate_scores[0, 0]), abs=1e-5)
    torch.testing.assert_close(
        torch.stack([one.logits for one in found[-3:]]), torch.from_numpy(three.low_res_logits[0])
    )
    assert [one.name for one in found[-3:]] == ["1", "2", "3"]
    (only,) = possible_masks(segmenter, picture, prompt, None, only_chosen=True)
    torch.testing.assert_close(only.logits, found[0].logits)


@pytest.mark.parametrize("mode", ["add", "off"])
def test_weights_that_answer_a_click_with_the_clear_mask_do_so_here(hq: tiny.Sam, mode: str) -> None:
    sam = copy.deepcopy(hq)
    sam.config = sam.config.replace(defaults=Defaults(click_mask="single"))
    segmenter = Segmenter(sam)
    picture, prompt = encoded(segmenter), Prompt(points=[[20, 10]])
    found = possible_masks(segmenter, picture, prompt, mode)
    usual = segmenter.segment(picture, prompts=[prompt], hq=mode)
    torch.testing.assert_close(found[0].logits, torch.from_numpy(usual.low_res_logits[0, 0]))
    assert [one.name for one in found] == ["HQ" if mode == "add" else "0", "1", "2", "3"]


def test_the_hq_switch(hq: tiny.Sam) -> None:
    segmenter = Segmenter(hq)
    picture, prompt = encoded(segmenter), Prompt(points=[[20, 10]])
    logits = {mode: possible_masks(segmenter, picture, prompt, mode)[0].logits for mode in ("add", "only", "off")}
    torch.testing.assert_close(logits["add"], logits["off"] + logits["only"], atol=1e-4, rtol=1e-4)
    assert len(possible_masks(segmenter, picture, prompt, "off")) == 3


def test_the_binary_form(hq: tiny.Sam) -> None:
    segmenter = Segmenter(hq)
    picture = encoded(segmenter)
    found = possible_masks(segmenter, picture, Prompt(points=[[20, 10]]), None)
    content = packed_candidates(found, picture, {"seq": 3})
    (length,) = struct.unpack("<I", content[:4])
    header = json.loads(content[4 : 4 + length])
    assert (4 + length) % 4 == 0
    assert header["seq"] == 3
    assert header["crop_hw"] == [43 / 4, 16.0]  # 40 x 60 pixels fill 43 x 64 of the square
    assert header["shape"] == [4, 16, 16]
    logits = np.frombuffer(content, "<f2", offset=4 + length).reshape(header["shape"])
    np.testing.assert_allclose(logits[0], found[0].logits.numpy(), atol=1e-2)


@pytest.mark.parametrize("name", PROMPTS)
def test_full_masks_are_those_of_segment(name: str, hq: tiny.Sam) -> None:
    segmenter = Segmenter(hq)
    picture, fields = encoded(segmenter), PROMPTS[name]
    usual = segmenter.segment(picture, prompts=[prompt_of(MaskRequest(**fields))])
    three = segmenter.segment(picture, prompts=[prompt_of(MaskRequest(**fields))], multimask=True, hq="off")
    for options, mask in (
        ({}, usual.masks[0]),
        ({"refine": False}, usual.masks[0]),
        ({"candidate": "HQ"}, usual.masks[0]),
        ({"candidate": "2"}, three.candidates[0, 1]),
    ):
        code, _ = full_mask(segmenter, picture, MaskRequest(**fields, **options))
        assert np.array_equal(rle.decode(code), mask), options


def test_a_mask_is_a_prompt(hq: tiny.Sam) -> None:
    segmenter, drawn = Segmenter(hq), np.zeros((40, 60), bool)
    drawn[10:30, 10:30] = True
    picture, code = encoded(segmenter), rle.encode(drawn)
    request = MaskRequest(points=[(20, 20)], labels=[1], mask={"size": (40, 60), "counts": code["counts"]})
    mask = segmenter.segment(picture, points=[[20, 20]], labels=[1], mask=drawn).masks[0]
    assert np.array_equal(rle.decode(full_mask(segmenter, picture, request)[0]), mask)


@pytest.mark.parametrize("fields", [{}, {"points": [(1, 1)]}, {"points": [(1, 1)], "labels": [1, 0]}])
def test_what_is_no_prompt(fields: dict) -> None:
    with pytest.raises(Fault, match="Expected"):
        prompt_of(MaskRequest(**fields))


def test_an_unknown_candidate(plain: tiny.Sam) -> None:
    segmenter = Segmenter(plain)
    with pytest.raises(Fault, match="0, 1, 2, 3"):
        full_mask(segmenter, encoded(segmenter), MaskRequest(box=(0, 0, 9, 9), candidate="HQ"))


def test_a_box_mostly_outside_is_cut_to_the_picture(hq: tiny.Sam) -> None:
    segmenter = Segmenter(hq)
    seen = encoded(segmenter)
    with pytest.warns(SamHQWarning, match="mostly outside"):
        preview = possible_masks(segmenter, seen, Prompt(box=[-90, -90, 20, 20]), None)
    with pytest.warns(SamHQWarning, match="mostly outside"):
        whole, _ = full_mask(segmenter, seen, MaskRequest(box=(-90, -90, 20, 20)))
    cut = possible_masks(segmenter, seen, Prompt(box=[0, 0, 20, 20]), None)
    assert [one.iou for one in preview] == [one.iou for one in cut]
    expected = segmenter.segment(seen, box=[0, 0, 20, 20]).masks[0]
    assert np.array_equal(rle.decode(whole), expected)
