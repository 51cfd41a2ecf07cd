"""`OnnxSegmenter` answers as `Segmenter`, and its results write themselves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.runtime.test_predictor import picture
from tests.text.tiny_detectors import ColourDetector, blobs

from samhq.errors import ConfigError, PromptError, SamHQWarning
from samhq.inference.by_text import segment_found
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.results.segmentation import Segmentation
from samhq.runtime import OnnxImage, OnnxSegmenter
from samhq.text.search import Search

ROUGH = np.zeros((45, 70), bool)
ROUGH[10:30, 20:60] = True
ASKED: list[dict[str, Any]] = [
    {"points": [[20, 30]]},
    {"points": [[20, 30], [50, 10]], "labels": [1, 0], "box": [5, 4, 40, 30]},
    {"boxes": [[5, 4, 40, 30], [30, 20, 69, 44]], "multimask": True},
    {"mask": ROUGH, "hq": "off"},
    {"prompts": [Prompt([[20, 30]]), Prompt(box=[5, 4, 40, 30]), Prompt([[1, 1], [2, 2]], mask=ROUGH)], "hq": "only"},
]


@pytest.fixture(scope="module")
def exported(hq_folder: Path) -> OnnxSegmenter:
    return OnnxSegmenter(hq_folder)


def test_exported_weights_say_which_mask_answers_a_lone_click(hq_folder: Path) -> None:
    exported = OnnxSegmenter(hq_folder)
    clear = exported.segment(picture(), points=[[20, 15]], multimask=False)
    best = exported.segment(picture(), points=[[20, 15]])
    exported.model.about = dataclasses.replace(exported.model.about, click_mask="single")
    by_weights = exported.segment(picture(), points=[[20, 15]])
    np.testing.assert_array_equal(by_weights.low_res_logits, clear.low_res_logits)
    assert not np.allclose(by_weights.low_res_logits, best.low_res_logits, atol=1e-3)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "+".join(asked))
def test_the_same_as_segmenter(exported: OnnxSegmenter, hq: Sam, asked: dict[str, Any]) -> None:
    expected = Segmenter(hq).segment(picture(), **asked)
    got = exported.segment(picture(), **asked)
    assert isinstance(got, Segmentation)
    assert got.candidates.shape == expected.candidates.shape
    assert (got.model, got.frame) == (expected.model, expected.frame)
    np.testing.assert_allclose(got.candidate_scores, expected.candidate_scores, atol=1e-5)
    np.testing.assert_allclose(got.low_res_logits, expected.low_res_logits, atol=2e-4)
    np.testing.assert_allclose(got.logits, expected.logits, atol=3e-4)
    assert (got.candidates != expected.candidates).mean() < 1e-3


def test_a_box_mostly_outside_is_cut_to_the_picture(exported: OnnxSegmenter) -> None:
    with pytest.warns(SamHQWarning, match="mostly outside"):
        got = exported.segment(picture(), box=[-90, -90, 20, 20])
    np.testing.assert_array_equal(got.masks, exported.segment(picture(), box=[0, 0, 20, 20]).masks)


def test_a_picture_is_encoded_once(exported: OnnxSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = exported.encode(picture())
    assert isinstance(encoded, OnnxImage)
    whole = exported.segment(picture(), points=[[20, 30]])
    monkeypatch.setattr(exported.model, "encode", None)
    np.testing.assert_array_equal(exported.segment(encoded, points=[[20, 30]]).candidates, whole.candidates)


def test_a_result_of_a_file_says_which(exported: OnnxSegmenter, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(picture()).save(path)
    assert exported.segment(path, points=[[20, 30]]).file_name == str(path)
    assert exported.segment(picture(), points=[[20, 30]]).file_name is None


def test_a_picture_of_other_weights_is_refused(exported: OnnxSegmenter) -> None:
    other = dataclasses.replace(exported.encode(picture()), weights="others")
    with pytest.raises(ConfigError, match="other weights"):
        exported.segment(other, points=[[20, 30]])


def test_prompts_are_checked_before_the_picture_is_read(exported: OnnxSegmenter) -> None:
    with pytest.raises(PromptError, match="none of these"):
        exported.segment("there is no such file.jpg")


def test_results_are_written_as_ever(exported: OnnxSegmenter, tmp_path: Path) -> None:
    result = exported.segment(picture(), boxes=[[5, 4, 40, 30], [30, 20, 69, 44]])
    names = [path.name for path in result.save(tmp_path, "a", cutouts=True)]
    assert names == ["a_mask_0.png", "a_mask_1.png", "a_overlay.jpg", "a_cutout_0.png", "a_cutout_1.png", "a.json"]
    assert len(json.loads((tmp_path / "a.json").read_text())["annotations"]) == 2


@pytest.mark.parametrize("asked", [{"boxes": np.zeros((0, 4))}, {"boxes": []}, {"prompts": []}], ids=str)
@pytest.mark.parametrize("multimask", [None, False, True])
def test_a_detector_that_found_nothing_gets_no_masks(
    exported: OnnxSegmenter, hq: Sam, asked: dict[str, Any], multimask: bool | None
) -> None:
    got = exported.segment(picture(), **asked, multimask=multimask)
    expected = Segmenter(hq).segment(picture(), **asked, multimask=multimask)
    for name in ("candidates", "candidate_scores", "low_res_logits", "boxes", "logits"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


def test_class_names_and_a_detector(exported: OnnxSegmenter, hq: Sam) -> None:
    """The protocol that both segmenters satisfy is enough for a search."""
    image, search = blobs({"red": (10, 10, 30, 40)}), Search.of("red", detector=ColourDetector())
    (got,) = segment_found(exported, [image], search)
    (expected,) = segment_found(Segmenter(hq), [image], search)
    assert got.labels == expected.labels == ("red",)
    np.testing.assert_allclose(got.low_res_logits, expected.low_res_logits, atol=2e-4)
    named = exported.segment(image, text={"warm": ["red"]}, detector=ColourDetector(), threshold=0.5)
    np.testing.assert_array_equal(named.candidates, got.candidates)
    assert (named.labels, named.detector_scores.tolist()) == (("warm",), pytest.approx([0.9]))
    assert len(exported.segment(image, text="red", detector=ColourDetector(), threshold={"red": 0.95})) == 0
    with pytest.raises(PromptError, match="alone"):
        exported.segment(image, text="red", box=[1, 2, 3, 4], detector=ColourDetector())
    (none,) = segment_found(exported, [blobs({})], search)
    assert (len(none), none.model, none.frame.side) == (0, exported.name, exported.side)
