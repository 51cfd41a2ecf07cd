"""pycocotools reads the dataset, gets the masks and scores them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests.results.drawn import annotation, masks, scene

from samhq.formats.coco import coco_annotation, open_coco


@pytest.fixture(params=["mask", "polygon"])
def shapes(request: pytest.FixtureRequest) -> Any:
    return request.param


def dataset(path: Path, **options: Any) -> COCO:
    with open_coco(path, **options) as add:
        assert add(scene("a/cat.jpg")) == []
        add(scene("dog.jpg"))
        assert not path.exists()
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_masks_names_and_numbers_come_back(tmp_path, shapes):
    read = dataset(tmp_path / "coco.json", shapes=shapes)
    assert [image["file_name"] for image in read.loadImgs(read.getImgIds())] == ["a/cat.jpg", "dog.jpg"]
    assert {c["name"]: c["id"] for c in read.loadCats(read.getCatIds())} == {"wheel": 1, "pair & <co>": 2}
    assert sorted(read.getAnnIds()) == [1, 2, 3, 4, 5, 6]
    for number in (1, 2):
        found = read.loadAnns(read.getAnnIds(imgIds=[number]))
        expected = [item for _, item in scene().objects]
        assert [a["category_id"] for a in found] == [1, 2, 1]
        for record, item in zip(found, expected, strict=True):
            np.testing.assert_array_equal(read.annToMask(record), item.mask)
            assert record["area"] == item.mask.sum()
            assert record["bbox"] == coco_mask.toBbox(item.code).tolist()
            assert record.get("score") == item.score


def test_pycocotools_scores_the_dataset_against_itself(tmp_path, shapes):
    truth = dataset(tmp_path / "coco.json", shapes=shapes)
    found = [record | {"score": 0.5} for record in truth.dataset["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        scored = COCOeval(truth, truth.loadRes(found), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1)


@settings(deadline=None)
@given(masks)
def test_polygons_are_the_mask_to_pycocotools(mask):
    polygons = coco_annotation(annotation(mask), "polygon")["segmentation"]
    if mask.any():
        codes = coco_mask.frPyObjects(polygons, *mask.shape)
        np.testing.assert_array_equal(coco_mask.decode(coco_mask.merge(codes)), mask)
    else:
        assert polygons == []


def test_categories_can_be_given_beforehand(tmp_path):
    read = dataset(tmp_path / "coco.json", labels=["cat", "wheel"])
    assert [c["name"] for c in read.dataset["categories"]] == ["cat", "wheel", "pair & <co>"]


def test_a_dataset_without_pictures_is_a_dataset(tmp_path):
    with open_coco(tmp_path / "coco.json"):
        pass
    content = json.loads((tmp_path / "coco.json").read_text())
    assert (content["images"], content["annotations"], content["categories"]) == ([], [], [])


def test_a_dataset_that_was_cut_short_is_not_there(tmp_path):
    with contextlib.suppress(KeyboardInterrupt), open_coco(tmp_path / "coco.json") as add:
        add(scene())
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
