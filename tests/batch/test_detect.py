"""The work of `samhq detect` from Python."""

from __future__ import annotations

import json
from pathlib import Path

from samhq.batch import DetectWork, items_of, run_job
from samhq.batch.search import DetectorSettings
from tests.cli.segmenting import drawn
from tests.text import tiny_detectors


def test_boxes_of_a_file_are_cut_to_what_counts(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png")
    found = {"a.png": [("cup", [5, 5, 35, 25], 0.9), ("cup", [0, 0, 9, 9], 0.1)]}
    boxes = tiny_detectors.coco_boxes(tmp_path / "boxes.json", found)
    said: list[str] = []
    work = DetectWork("cup", tmp_path, DetectorSettings(str(boxes)))
    run_job(items_of([picture]), work, None, tell=lambda report: said.append(report.summary))
    assert said == ["1 cup"]
    (box,) = json.loads((tmp_path / "a_boxes.json").read_text())["annotations"]
    assert box["bbox"] == [5, 5, 35, 25]
