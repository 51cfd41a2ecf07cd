"""Settings of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from samhq.batch.search import ClassThreshold, DetectorSettings, ExampleBox, ExampleSettings, TextSettings
from samhq.errors import ConfigError, PromptError
from samhq.text.detector import Example
from tests.text import tiny_detectors as tiny_text


def test_options_follow_the_content_of_files(tmp_path: Path) -> None:
    path = tiny_text.coco_boxes(tmp_path / "b.json", {"a.jpg": []})
    before = TextSettings(detector=str(path), text="cup").search_options()
    tiny_text.coco_boxes(path, {"a.jpg": [("cup", [0, 0, 9, 9], 0.5)]})
    assert TextSettings(detector=str(path), text="cup").search_options() != before
    folder = tiny_text.save_dino(tmp_path / "detector")
    options = DetectorSettings(str(folder)).options()
    (folder / "model.safetensors").write_bytes(b"other")
    assert DetectorSettings(str(folder)).options() != options
    assert TextSettings().search_options() == {}
    assert DetectorSettings("owlv2-base").options()["content"] is None


def test_a_general_threshold_and_those_of_classes() -> None:
    limits = (ClassThreshold("", 0.5), ClassThreshold("red car", 0.3))
    assert DetectorSettings(threshold=limits).thresholds() == (0.5, {"red car": 0.3})
    assert DetectorSettings().thresholds() == (None, {})


def test_how_many_pictures_a_detector_sees_together() -> None:
    assert DetectorSettings().together("cpu") == 1
    assert DetectorSettings(detector_batch=7).together("cpu") == 7
    assert DetectorSettings().together("meta") == 4, "any device that is not the CPU"
    with pytest.raises(ConfigError, match="detector-batch of 1 or more"):
        DetectorSettings(detector_batch=0).together("cpu")


@pytest.mark.parametrize(
    "numbers", [{"max_detections": 0}, {"nms": 1.5}, {"nms": float("nan")}, {"short_side": -1}, {"short_side": 10**9}]
)
def test_numbers_are_checked_before_a_detector_is_looked_for(numbers: dict[str, Any]) -> None:
    (name,) = numbers
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')}"):
        DetectorSettings("nowhere/there", **numbers).search("cup", None)


def test_settings_of_examples(tmp_path: Path) -> None:
    picture = tmp_path / "mug.png"
    picture.write_bytes(b"1")
    box = ExampleBox(1, 2, 30, 40)
    settings = TextSettings(like=(box,), like_in=picture, like_name="mug")
    assert settings.wanted
    assert not TextSettings().wanted
    (example,) = settings.examples()
    assert (example.image, example.box, example.label) == (picture, [1, 2, 30, 40], "mug")
    assert settings.examples("pixels")[0].image == "pixels"
    before = settings.search_options()
    picture.write_bytes(b"2")
    assert settings.search_options() != before, "another picture, another job"
    with pytest.raises(PromptError, match="like_in"):
        ExampleSettings(like=(box,)).examples()
    assert ExampleSettings().examples() == []


def test_a_search_for_examples_takes_them_to_the_detector(tmp_path: Path) -> None:
    folder = tiny_text.save_owl(tmp_path / "detector")
    example = Example(tiny_text.picture(), [5, 5, 30, 30], "mug")
    search = DetectorSettings(str(folder), detector_batch=2).search(None, "cpu", [example])
    assert (search.names, search.examples) == (("mug",), (example,))
    assert search.detector.batch == 2  # type: ignore[union-attr]
