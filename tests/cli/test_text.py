from __future__ import annotations

from pathlib import Path

import pytest
from tests.text import tiny_detectors as tiny_text

from samhq.cli.text import ClassThreshold, DetectorFlags, TextFlags, limit_from_text
from samhq.errors import ConfigError, PromptError


@pytest.mark.parametrize("text", ["", "cup", "cup=", "cup=1.5", "-0.1", "nan", "cup=x"])
def test_texts_that_are_no_threshold(text: str) -> None:
    with pytest.raises(PromptError, match="score from 0 to 1"):
        limit_from_text(text)


def test_a_search_of_flags(tmp_path: Path) -> None:
    boxes = tiny_text.coco_boxes(tmp_path / "b.json", {"a.jpg": []})
    limits = (ClassThreshold("", 0.5), ClassThreshold("red car", 0.3))
    search = DetectorFlags(str(boxes), limits, nms=0.7, max_detections=5).search("cup, red car", None)
    assert search.names == ("cup", "red car")
    assert search.selection.limits(search.names).tolist() == pytest.approx([0.5, 0.3])
    assert (search.selection.nms, search.selection.max_detections) == (0.7, 5)
    assert DetectorFlags(str(boxes)).search("cup", None).selection.threshold == 0.25
    with pytest.raises(ConfigError, match="Did you mean 'cup'"):
        DetectorFlags(str(boxes), (ClassThreshold("cupp", 0.5),)).search("cup", None)
    with pytest.raises(ConfigError, match="no options for a file"):
        DetectorFlags(str(boxes), short_side=480).search("cup", None)


def test_two_thresholds_of_one_class_are_refused() -> None:
    for limits in ((ClassThreshold("", 0.5),) * 2, (ClassThreshold("cup", 0.5), ClassThreshold("cup", 0.6))):
        with pytest.raises(PromptError, match="got 2"):
            TextFlags(threshold=limits, text="cup").check()


def test_flags_of_a_search_need_one() -> None:
    TextFlags().check()
    for flags in (TextFlags(nms=0.5), TextFlags(detector="owlv2-base"), TextFlags(short_side=480)):
        with pytest.raises(PromptError, match="--text"):
            flags.check()
    with pytest.raises(PromptError, match="twice"):
        TextFlags(text="cup, Cup").check()
