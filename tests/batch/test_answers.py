"""Questions of sharded jobs: the rows are what the library gives for the same picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from samhq.batch.answers import Question
from samhq.batch.places import Folder
from samhq.batch.search import ClassThreshold, ExampleBox, TextSettings
from samhq.errors import ConfigError, PromptError, SamHQWarning
from samhq.inference.cache import EmbeddingCache
from samhq.inference.everything import segment_everything
from samhq.inference.segment import load
from samhq.masks import rle
from tests.batch.sharding import BOX, question
from tests.inference.test_segment import picture
from tests.text import tiny_detectors

IMAGE = picture(40, 60)
HERE = Folder("nowhere")  #: only embeddings are stored


def masks(rows: list[dict]) -> np.ndarray:
    return np.stack([rle.decode({"size": [40, 60], "counts": row["counts"]}) for row in rows])


def test_objects_of_every_picture_and_of_one(tmp_path: Path) -> None:
    asked = question(tmp_path, objects=[BOX], objects_of={"two.png": [BOX, {"points": [[30, 20]], "label": "cup"}]})
    answer = asked.start(HERE)
    result = load(asked.model.model, device="cpu").segment(IMAGE, box=BOX["box"])
    one, two = answer([("one.png", IMAGE), ("two.png", IMAGE)])
    (row,) = one["instances"]
    np.testing.assert_array_equal(masks([row])[0], result.masks[0])
    assert row["iou"] == pytest.approx(float(result.scores[0]))
    assert [row["label"] for row in two["instances"]] == [None, "cup"]
    with pytest.raises(PromptError, match=r"prompts for y\.png"):
        question(tmp_path, objects_of={"x.png": [BOX]}).start(HERE)([("y.png", IMAGE)])


def test_a_box_mostly_outside_is_cut_and_its_picture_named(tmp_path: Path) -> None:
    answer = question(tmp_path, objects=[{"box": [-90, -90, 20, 20]}]).start(HERE)
    with pytest.warns(SamHQWarning, match=r"^one\.png: .*mostly outside"):
        (one,) = answer([("one.png", IMAGE)])
    (cut,) = question(tmp_path, objects=[{"box": [0, 0, 20, 20]}]).start(HERE)([("one.png", IMAGE)])
    assert one == cut


def test_everything(tmp_path: Path) -> None:
    given = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    asked = question(tmp_path, automatic=given)
    (found,) = asked.start(HERE)([("a.png", IMAGE)])
    rows = found["instances"]
    result = segment_everything(IMAGE, load(asked.model.model, device="cpu"), **given)
    assert len(rows) == len(result)
    for row, record in zip(rows, result, strict=True):
        np.testing.assert_array_equal(masks([row])[0], record["segmentation"])
        assert row["area"] == record["area"]
        assert row["stability"] == pytest.approx(record["stability_score"])


def test_class_names(tmp_path: Path) -> None:
    boxes = tiny_detectors.coco_boxes(tmp_path / "b.json", {"a.png": [("cup", [5, 5, 35, 25], 0.9)], "b.png": []})
    text = TextSettings(detector=str(boxes), threshold=(ClassThreshold("", 0.5),), text="cup")
    found, nothing = question(tmp_path, text=text).start(HERE)([("a.png", IMAGE), ("b.png", IMAGE)])
    (row,) = found["instances"]
    assert (row["label"], row["score"]) == ("cup", pytest.approx(0.9))
    assert nothing["instances"] == []


def test_embeddings_are_those_of_the_cache(tmp_path: Path) -> None:
    asked = question(tmp_path, embed="float16", batch_size=2)
    dark = IMAGE // 2
    rows = asked.start(Folder(str(tmp_path)))([("a.png", IMAGE), ("b.png", dark)])
    model = load(asked.model.model, device="cpu")
    cache = EmbeddingCache(tmp_path / "embeddings", "float16")
    assert sorted(path.name for path in cache.folder.iterdir()) == sorted(row["embedding"] for row in rows)
    for image in (IMAGE, dark):
        stored = cache.get(model, image)
        assert stored is not None
        torch.testing.assert_close(stored.embedding.features, model.encode(image).embedding.features, atol=1e-2, rtol=0)


def test_pictures_of_a_batch_have_the_masks_of_one(tmp_path: Path) -> None:
    pictures = [("a.png", IMAGE), ("b.png", IMAGE[:20]), ("c.png", IMAGE // 2)]
    together = question(tmp_path, batch_size=3).start(HERE)(pictures)
    for row, one in zip(together, pictures, strict=True):
        (alone,) = question(tmp_path).start(HERE)([one])
        assert row["instances"][0]["area"] == pytest.approx(alone["instances"][0]["area"], rel=0.01)
        assert row["instances"][0]["iou"] == pytest.approx(alone["instances"][0]["iou"], abs=1e-4)


def test_a_batch_has_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        question(tmp_path, batch_size=0)


def test_another_device_changes_the_model_only(tmp_path: Path) -> None:
    asked = question(tmp_path)
    assert asked.on(None) is asked
    moved = asked.on("cuda:1")
    assert (moved.model.device, moved.objects, moved.model.model) == ("cuda:1", asked.objects, asked.model.model)


def test_an_example(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(IMAGE).save(tmp_path / "mug.png")
    owl = str(tiny_detectors.save_owl(tmp_path / "owl"))
    limits, box = (ClassThreshold("", 0.0),), (ExampleBox(5, 5, 35, 25),)
    text = TextSettings(box, tmp_path / "mug.png", "mug", detector=owl, threshold=limits, max_detections=2)
    (found,) = question(tmp_path, text=text).start(HERE)([("a.png", IMAGE)])
    assert [row["label"] for row in found["instances"]] == ["mug", "mug"]


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
