"""From class names to masks, with a detector that finds colours: what it finds is known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.text import tiny_detectors as tiny_text

from samhq.errors import ConfigError, ImageError, PromptError
from samhq.inference.by_text import PromptSegmenter, segment_found
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.detections import Detections
from samhq.results.prompt import Prompt
from samhq.text.detector import Example
from samhq.text.search import Search

RED, GREEN, BLUE = (10, 10, 30, 40), (40, 5, 60, 20), (70, 20, 90, 30)
IMAGE = tiny_text.blobs({"red": RED, "green": GREEN, "blue": BLUE})
GREY = tiny_text.blobs({})


@pytest.fixture
def segmenter(hq: Sam) -> Segmenter:
    return Segmenter(hq)


def test_masks_are_those_of_the_boxes_with_labels_and_scores(segmenter: Segmenter) -> None:
    found = segmenter.segment(IMAGE, text={"warm": ["red"], "Leaf": "green"}, detector=tiny_text.ColourDetector())
    expected = segmenter.segment(IMAGE, boxes=[RED, GREEN], multimask=False)
    assert np.array_equal(found.candidates, expected.candidates)
    assert found.labels == ("warm", "Leaf")
    assert found.detector_scores.tolist() == pytest.approx([0.9, 0.6])
    assert found.scores == pytest.approx(expected.scores), "the predicted IoU is there too"
    assert [prompt.box.tolist() for prompt in found.prompts] == [list(RED), list(GREEN)]


def test_the_threshold_chooses_and_the_others_are_kept(segmenter: Segmenter) -> None:
    text, detector = ["red", "green", "blue"], tiny_text.ColourDetector()
    found = segmenter.segment(IMAGE, text=text, detector=detector, threshold=0.5)
    assert found.labels == ("red", "green")
    assert found.detections is not None
    assert found.detections.labels == ("red", "green", "blue")
    one = segmenter.segment(IMAGE, text=text, detector=detector, threshold={"red": 0.95, "blue": 0.2}, max_detections=1)
    assert one.labels == ("green",)


def test_an_empty_result_has_the_frame_of_the_model_and_its_own_picture() -> None:
    segmenter, image = Segmenter(tiny.shared(tiny.SECOND)), GREY.copy()
    none = segmenter.segment(image, text="red", detector=tiny_text.ColourDetector())
    assert none.frame == segmenter.encode(image).frame
    image[:] = 0
    assert np.array_equal(none.image, GREY)


def test_nothing_found_is_a_result(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segmenter, "encode", lambda *_: pytest.fail("nothing to segment, nothing to encode"))
    none = segmenter.segment(GREY, text="red, cat", detector=tiny_text.ColourDetector())
    assert (len(none), none.labels, none.masks.shape) == (0, (), (0, 64, 96))
    low = segmenter.segment(IMAGE, text="blue", detector=tiny_text.ColourDetector(), threshold=0.5)
    assert len(low) == 0
    assert low.detections is not None
    assert low.detections.scores.tolist() == pytest.approx([0.3])


def test_an_encoded_picture_is_not_encoded_again(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = segmenter.encode(IMAGE)
    monkeypatch.setattr(Segmenter, "encode", lambda *_: pytest.fail("it was encoded"))
    assert segmenter.segment(encoded, text="red", detector=tiny_text.ColourDetector()).labels == ("red",)


def test_several_pictures_are_one_call_of_the_detector(segmenter: Segmenter) -> None:
    detector = tiny_text.ColourDetector()
    results = segment_found(segmenter, [IMAGE, GREY, IMAGE], Search.of("red", detector=detector))
    assert [result.labels for result in results] == [("red",), (), ("red",)]
    assert detector.calls == [(3, ("red",))]


def test_masks_of_a_detector_are_prompts_too(segmenter: Segmenter) -> None:
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[10:40, 10:30] = True
    ready = Detections.of([RED], [0.5], [0], ["red"], mask[None])
    found = segmenter.segment(IMAGE, text="red", detector=ready)
    expected = segmenter.segment(IMAGE, box=RED, mask=mask, multimask=False)
    assert np.array_equal(found.masks, expected.masks)
    without = segmenter.segment(IMAGE, box=RED, multimask=False)
    assert not np.array_equal(found.low_res_logits, without.low_res_logits)


def test_boxes_from_a_file(segmenter: Segmenter, tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    boxes = tiny_text.coco_boxes(tmp_path / "boxes.json", {"a.png": [("red", [10, 10, 20, 30], 0.5)]})
    found = segmenter.segment(tmp_path / "a.png", text="red", detector=boxes)
    assert found.labels == ("red",)
    assert found.file_name == str(tmp_path / "a.png")
    encoded = segmenter.encode(tmp_path / "a.png")
    assert segmenter.segment(encoded, text="red", detector=boxes).labels == ("red",)
    with pytest.raises(PromptError, match="by its path"):
        segmenter.segment(IMAGE, text="red", detector=boxes)


def test_more_like_an_example(segmenter: Segmenter) -> None:
    found = segmenter.segment(IMAGE, like=Example(IMAGE, RED, "mug"), detector=tiny_text.owl(), threshold=0.0, nms=0.3)
    assert set(found.labels) == {"mug"}


def test_a_hundred_boxes_give_the_masks_of_each_alone(segmenter: Segmenter) -> None:
    """More than are decoded together."""
    boxes = [[x, y, x + 20, y + 20] for x in range(0, 70, 7) for y in range(0, 40, 5)][:70]
    ready = Detections.of(boxes, np.linspace(0.9, 0.3, 70), [0] * 70, ["red"])
    found = segmenter.segment(IMAGE, text="red", detector=ready, nms=1)
    assert len(found) == 70
    for row in (0, 63, 64, 69):
        alone = segmenter.segment(IMAGE, box=boxes[row], multimask=False)
        assert found.low_res_logits[row] == pytest.approx(alone.low_res_logits[0], abs=1e-4)


def test_misuse_is_a_sentence(segmenter: Segmenter, tmp_path: Path) -> None:
    detector = tiny_text.ColourDetector()
    with pytest.raises(PromptError, match="alone"):
        segmenter.segment(IMAGE, text="red", box=RED, detector=detector)
    with pytest.raises(PromptError, match="alone"):
        segmenter.segment(IMAGE, text="red", prompts=[Prompt(box=RED)], detector=detector)
    with pytest.raises(PromptError, match="twice"):
        segmenter.segment(IMAGE, text="red, Red", detector=detector)
    with pytest.raises(ConfigError, match="nms in 0 to 1"):
        segmenter.segment(IMAGE, text="red", detector=detector, nms=2)
    with pytest.raises(ImageError, match="Picture 1 "):
        segment_found(segmenter, [IMAGE, tmp_path / "none.png"], Search.of("red", detector=detector))


def test_it_satisfies_the_protocol(segmenter: Segmenter) -> None:
    assert isinstance(segmenter, PromptSegmenter)
