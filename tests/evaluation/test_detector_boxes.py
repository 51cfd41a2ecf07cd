from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import coco
from tests.evaluation.painter import SIDE, Painter
from tests.text import tiny_detectors as tiny

from samhq.datasets.coco import open_coco_pictures
from samhq.errors import ConfigError, ImageError
from samhq.evaluation.detector_boxes import load_for_ap, write_boxes
from samhq.evaluation.suites.detections import MOST, evaluate_detections
from samhq.text.boxfile import BoxFile


def truth(folder: Path) -> Path:
    return coco(folder / "truth.json", {f"{number}.png": (SIDE, SIDE) for number in range(6)}, [])


def test_the_best_hundred_pairs_without_threshold_or_nms(tmp_path: Path) -> None:
    """9 queries and 20 classes are 180 pairs; the reference is the formula of SAM-HQ's script on the same network."""
    path = truth(tmp_path)
    content = json.loads(path.read_text())
    words = ["cat", "car", "cup", "mug", "fork", "dog", "shirt", "st", "t", "a"]
    names = [*words, *(f"red {word}" for word in words)]
    content["categories"] = [{"id": number + 5, "name": name} for number, name in enumerate(names)]
    path.write_text(json.dumps(content))
    pictures = open_coco_pictures(path)
    detector = tiny.dino(max_text_len=64, assign="all", floor=0.0, short_side=96)
    write_boxes(detector, pictures, tmp_path / "boxes.json", places=[0, 3])
    records = json.loads((tmp_path / "boxes.json").read_text())
    assert [record["image_id"] for record in records] == [1] * MOST + [4] * MOST
    scores = np.array([record["score"] for record in records[:MOST]])
    assert (np.diff(scores) <= 0).all()
    sample = pictures[0].image
    (found,) = detector.detect([sample], names)
    assert len(found) == 180
    assert scores == pytest.approx(np.sort(found.scores)[::-1][:MOST])
    best = records[0]
    assert names[best["category_id"] - 5] == found.labels[0]
    x, y, width, height = best["bbox"]
    assert [x, y, x + width, y + height] == pytest.approx(found.boxes[0].tolist(), abs=1e-3)
    evaluate_detections(Painter(), pictures, tmp_path / "boxes.json")  # the file has the form that is read there


def test_pictures_go_in_batches(tmp_path: Path) -> None:
    detector = tiny.ColourDetector()
    write_boxes(detector, open_coco_pictures(truth(tmp_path)), tmp_path / "boxes.json")
    assert [count for count, _ in detector.calls] == [4, 2]
    assert json.loads((tmp_path / "boxes.json").read_text()) == []


def test_a_network_by_name_gives_every_pair(tmp_path: Path) -> None:
    loaded = load_for_ap(tiny.save_dino(tmp_path / "detector"))
    assert (loaded.assign, loaded.floor) == ("all", 0.0)
    own = tiny.dino()
    assert load_for_ap(own) is own
    assert isinstance(load_for_ap(tiny.coco_boxes(tmp_path / "b.json", {})), BoxFile)


def test_what_cannot_be_asked_is_said(tmp_path: Path) -> None:
    path = truth(tmp_path)
    pictures = open_coco_pictures(path)
    pictures.categories = {}
    with pytest.raises(ConfigError, match="categories"):
        write_boxes(tiny.ColourDetector(), pictures, tmp_path / "boxes.json")
    content = json.loads(path.read_text())
    content["images"][0]["height"] = 9
    path.write_text(json.dumps(content))
    with pytest.raises(ImageError, match="its entry"):
        write_boxes(tiny.ColourDetector(), open_coco_pictures(path), tmp_path / "boxes.json")
    assert not (tmp_path / "boxes.json").exists()
