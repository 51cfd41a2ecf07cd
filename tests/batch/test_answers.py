"""Questions of sharded jobs: the rows are what the library gives for the same picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from samhq.batch.answers import Question
from samhq.batch.search import ClassThreshold, ExampleBox, TextSettings
from samhq.inference.everything import segment_everything
from samhq.inference.segment import load
from samhq.masks import rle
from tests.batch.sharding import BOX, question
from tests.inference.test_segment import picture
from tests.text import tiny_detectors

IMAGE = picture(40, 60)


def masks(rows: list[dict]) -> np.ndarray:
    return np.stack([rle.decode({"size": [40, 60], "counts": row["counts"]}) for row in rows])


def test_objects_of_every_picture_and_of_one(tmp_path: Path) -> None:
    asked = question(tmp_path, objects=[BOX], objects_of={"two.png": [BOX, {"points": [[30, 20]], "label": "cup"}]})
    answer = asked.start()
    result = load(asked.model.model, device="cpu").segment(IMAGE, box=BOX["box"])
    (row,) = answer(IMAGE, "one.png")
    np.testing.assert_array_equal(masks([row])[0], result.masks[0])
    assert row["iou"] == pytest.approx(float(result.scores[0]))
    assert [row["label"] for row in answer(IMAGE, "two.png")] == [None, "cup"]
    assert question(tmp_path, objects_of={"x.png": [BOX]}).start()(IMAGE, "y.png") == []


def test_everything(tmp_path: Path) -> None:
    given = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    asked = question(tmp_path, automatic=given)
    rows = asked.start()(IMAGE, "a.png")
    result = segment_everything(IMAGE, load(asked.model.model, device="cpu"), **given)
    assert len(rows) == len(result)
    for row, record in zip(rows, result, strict=True):
        np.testing.assert_array_equal(masks([row])[0], record["segmentation"])
        assert row["area"] == record["area"]
        assert row["stability"] == pytest.approx(record["stability_score"])


def test_class_names(tmp_path: Path) -> None:
    boxes = tiny_detectors.coco_boxes(tmp_path / "b.json", {"a.png": [("cup", [5, 5, 35, 25], 0.9)], "b.png": []})
    text = TextSettings(detector=str(boxes), threshold=(ClassThreshold("", 0.5),), text="cup")
    answer = question(tmp_path, text=text).start()
    (row,) = answer(IMAGE, "a.png")
    assert (row["label"], row["score"]) == ("cup", pytest.approx(0.9))
    assert answer(IMAGE, "b.png") == []


def test_an_example(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(IMAGE).save(tmp_path / "mug.png")
    owl = str(tiny_detectors.save_owl(tmp_path / "owl"))
    limits, box = (ClassThreshold("", 0.0),), (ExampleBox(5, 5, 35, 25),)
    text = TextSettings(box, tmp_path / "mug.png", "mug", detector=owl, threshold=limits, max_detections=2)
    rows = question(tmp_path, text=text).start()(IMAGE, "a.png")
    assert [row["label"] for row in rows] == ["mug", "mug"]


def test_a_question_is_the_same_after_json(tmp_path: Path) -> None:
    text = TextSettings(threshold=(ClassThreshold("cup", 0.5),), text="cup")
    like = TextSettings(like=(ExampleBox(1, 2, 30, 40),), like_in=tmp_path / "mug.png", like_name="mug")
    others = (
        question(tmp_path, text=text),
        question(tmp_path, text=like),
        question(tmp_path, automatic={"points_per_side": 2}),
    )
    for asked in (question(tmp_path, objects=(BOX,)), *others):
        assert Question.of_record(json.loads(json.dumps(asked.record()))) == asked
