"""Settings of a search."""

from __future__ import annotations

from pathlib import Path

from samhq.batch.search import ClassThreshold, DetectorSettings, TextSettings
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
