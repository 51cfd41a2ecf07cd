"""Boxes get their second look without torch, too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from samhq.config import Defaults
from samhq.errors import ConfigError
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.runtime import OnnxSegmenter

PICTURE = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
PROMPTS = [
    Prompt(box=[20, 15, 70, 60]),
    Prompt(points=[[90, 40]]),
    Prompt(box=[80, 50, 130, 110], points=[[100, 80], [5, 5]], labels=[1, 0]),
    Prompt(box=[2, 2, 158, 118]),
]


@pytest.fixture
def exported(hq_folder: Path) -> OnnxSegmenter:
    exported = OnnxSegmenter(hq_folder)
    exported.model.about = dataclasses.replace(exported.model.about, refine_margin=0.5)
    return exported


def test_the_same_as_with_torch(exported: OnnxSegmenter, hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hq, "config", hq.config.replace(defaults=Defaults(refine_margin=0.5)))
    expected, got = (model.segment(PICTURE, prompts=PROMPTS) for model in (Segmenter(hq), exported))
    np.testing.assert_allclose(got.scores, expected.scores, atol=0.01)  # Crops are resized by Pillow
    assert (got.masks != expected.masks).mean(axis=(1, 2)).max() < 0.01
    once = exported.segment(PICTURE, prompts=PROMPTS, refine=False)
    assert [np.array_equal(a, b) for a, b in zip(got.masks, once.masks, strict=True)] == [False, True, False, True]
    encoded = exported.segment(exported.encode(PICTURE), prompts=PROMPTS)
    assert np.array_equal(encoded.masks, got.masks)


def test_where_boxes_decide_the_picture_is_not_encoded_whole(
    exported: OnnxSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, encode = [], exported.model.encode
    monkeypatch.setattr(exported.model, "encode", lambda square: calls.append(1) or encode(square))
    exported.segment(PICTURE, prompts=PROMPTS[:1])
    assert calls == [1]
    exported.segment(PICTURE, prompts=PROMPTS[:2])
    assert len(calls) == 3


def test_when_there_is_no_second_look(hq_folder: Path, exported: OnnxSegmenter) -> None:
    plain = OnnxSegmenter(hq_folder)
    once, asked = (plain.segment(PICTURE, box=[20, 15, 70, 60], refine=refine) for refine in (None, True))
    assert not np.array_equal(once.masks, asked.masks)
    assert exported.segment(PICTURE, box=[20, 15, 70, 60], multimask=True).candidates.shape[1] == 3
    for wrong in ({"points": [[9, 9]]}, {"box": [20, 15, 70, 60], "multimask": True}):
        with pytest.raises(ConfigError, match="Without torch only boxes get a second look"):
            exported.segment(PICTURE, refine=True, **wrong)
