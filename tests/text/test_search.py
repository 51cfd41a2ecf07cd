from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.errors import ConfigError, PromptError, SamHQWarning
from samhq.results.detections import Detections
from samhq.text.detector import Example
from samhq.text.search import Search, usable
from tests.text import tiny_detectors as tiny

IMAGE = tiny.blobs({"red": (10, 10, 30, 40), "green": (40, 5, 60, 20), "blue": (70, 20, 90, 30)})
TEXT = ["red", "green", "blue"]


def test_all_is_found_and_the_threshold_chooses() -> None:
    search = Search.of(TEXT, detector=tiny.ColourDetector(), threshold=0.5)
    (found,) = search.detect([IMAGE])
    assert found.labels == ("red", "green", "blue"), "all of them are kept for a slider"
    prompts = search.prompts(found)
    assert [prompt.box.tolist() for prompt in prompts] == [[10, 10, 30, 40], [40, 5, 60, 20]]
    assert search.rejected(found) == "closest: blue 0.30 < 0.5"


def test_thresholds_by_class() -> None:
    search = Search.of(TEXT, detector=tiny.ColourDetector(), threshold={"red": 0.95, "blue": 0.2})
    assert len(search.prompts(search.detect([IMAGE])[0])) == 2
    with pytest.raises(ConfigError, match="Did you mean 'red'"):
        Search.of(TEXT, detector=tiny.ColourDetector(), threshold={"rad": 0.5})


def test_the_detector_says_its_own_threshold() -> None:
    assert Search.of("a cat", detector=tiny.owl()).selection.threshold == 0.1
    assert Search.of("a cat", detector=tiny.dino()).selection.threshold == 0.25
    assert Search.of("a cat", detector=tiny.owl(), threshold=0.7).selection.threshold == 0.7
    mixed = Search.of(["a cat", "cup"], detector=tiny.owl(), threshold={"cup": 0.3}).selection
    assert mixed.limits(("a cat", "cup")).tolist() == pytest.approx([0.1, 0.3])


def test_a_threshold_may_be_any_number() -> None:
    detector = tiny.ColourDetector()
    assert Search.of("red", detector=detector, threshold=np.float32(0.5)).selection.threshold == 0.5
    for wrong in ("high", [0.5], object()):
        with pytest.raises(ConfigError, match="threshold as a number"):
            Search.of("red", detector=detector, threshold=wrong)


def test_masks_of_a_detector_become_prompts() -> None:
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[10:40, 10:30] = True
    found = Detections.of(np.array([[10, 10, 30, 40]]), np.array([0.5]), np.array([0]), ("red",), mask[None])
    search = Search.of("red", detector=found)
    (prompt,) = search.prompts(search.detect([IMAGE])[0])
    assert np.array_equal(prompt.mask, mask)


def test_boxes_from_a_file_go_by_the_pictures_path(tmp_path: Path) -> None:
    path = tiny.coco_boxes(tmp_path / "b.json", {"a.jpg": [("cup", [1, 2, 30, 40], 0.5), ("lamp", [0, 0, 9, 9], 0.5)]})
    search = Search.of({"mug": ["cup", "mug"]}, detector=path)
    (found,) = search.detect([IMAGE], ["x/a.jpg"])
    assert (found.labels, found.boxes.tolist()) == (("mug",), [[1, 2, 31, 42]])
    with pytest.raises(PromptError, match="by its path"):
        search.detect([IMAGE])


def test_a_file_of_boxes_alone_means_all_its_classes(tmp_path: Path) -> None:
    rows = [("cup", [1, 2, 30, 40], 0.5), ("table, wooden", [0, 0, 9, 9], 0.75)]
    search = Search.of(detector=tiny.coco_boxes(tmp_path / "b.json", {"a.jpg": rows}))
    assert search.names == ("cup", "table, wooden")
    (found,) = search.detect([IMAGE], ["a.jpg"])
    assert [prompt.label for prompt in search.prompts(found)] == ["table, wooden", "cup"]
    with pytest.raises(PromptError, match="or a file of boxes"):
        Search.of()


def test_a_class_that_the_file_of_boxes_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tiny.coco_boxes(tmp_path / "b.json", {"a.jpg": [("cup", [1, 2, 30, 40], 0.5)]})
    with pytest.raises(PromptError, match=r"'cups'. Did you mean 'cup'\? Known: cup"):
        Search.of("cups", detector=path)
    with pytest.warns(SamHQWarning, match="'cups'. Did you mean 'cup'"):  # A project's classes may not be all there.
        assert Search.of("Cup, cups", detector=path).names == ("Cup", "cups")


def test_boxes_beyond_the_limit_are_reported() -> None:
    found = Detections.of([[x, 0, x + 9, 9] for x in range(0, 90, 10)], np.linspace(0.3, 0.9, 9), [0] * 9, ["red"])
    search = Search.of("red", detector=found, max_detections=4)
    with pytest.warns(SamHQWarning, match=r"max_detections=4 .*got 9 boxes"):
        assert len(search.prompts(found)) == 4


def test_what_holds_no_pixel_is_left_out() -> None:
    boxes = np.array([[0, 0, 5, 5], [-9, -9, 0.5, 5], [100, 0, 120, 9], [5, 5, 5, 9], [-9, -9, 200, 200]])
    found = Detections.of(boxes, np.full(5, 0.5), np.zeros(5, np.int64), ("cup",))
    assert usable(found, (64, 96)).boxes.tolist() == [[0, 0, 5, 5], [-9, -9, 200, 200]]


def test_fractions_are_said() -> None:
    found = Detections.of(np.array([[0, 0, 0.5, 1]]), np.array([0.5]), np.array([0]), ("cup",))
    with pytest.raises(PromptError, match="in pixels"):
        usable(found, (64, 96))
    assert len(usable(found, (16, 96))) == 0


def test_examples_need_a_detector_that_takes_them() -> None:
    example = Example(IMAGE, [10, 10, 30, 40], "mug")
    with pytest.raises(ConfigError, match="owlv2-base"):
        Search.of(like=example, detector=tiny.ColourDetector())
    search = Search.of(like=example, detector=tiny.owl(floor=0.0), threshold=0.0)
    assert search.names == ("mug",)
    assert len(search.detect([IMAGE])[0]) > 0
    with pytest.raises(PromptError, match="boxes"):
        Search.of(like=Example(IMAGE, [500, 500, 900, 900]), detector=tiny.owl())
    for wrong in ({}, {"text": "cup", "like": example}):
        with pytest.raises(PromptError, match=r"Give one( of them)?\."):
            Search.of(**wrong, detector=tiny.owl())


@pytest.mark.parametrize("detector", [tiny.dino, tiny.owl])
def test_classes_that_a_detector_cannot_read_are_refused_before_any_picture(detector: Any) -> None:
    with pytest.raises(PromptError, match="at most"):
        Search.of(["a cat " * 20], detector=detector())
