"""SA-1B's files hold everything, and are read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from tests.results.drawn import masks, picture, scene

from samhq.errors import ImageError
from samhq.results.picture import picture_from_records
from samhq.results.sa1b import read_sa1b, sa1b_record, write_sa1b


def test_everything_comes_back(tmp_path):
    one = scene("folder/cat.jpg")
    back = read_sa1b(write_sa1b(one, tmp_path / "cat.json"))
    assert (back.file_name, back.size_hw, back.stem, back.model) == (one.file_name, one.size_hw, "cat", "test")
    assert len(back.annotations) == 3
    for mine, (_, theirs) in zip(back.annotations, one.objects, strict=True):
        for name in ("code", "label", "score", "stability", "point", "crop", "extra"):
            assert getattr(mine, name) == getattr(theirs, name), name


def test_the_fields_are_those_of_sa1b():
    record = sa1b_record(scene("sa_223750.jpg"))
    assert set(record["image"]) >= {"image_id", "width", "height", "file_name"}
    assert record["image"]["image_id"] == 223750
    assert (record["image"]["width"], record["image"]["height"]) == (60, 40)
    first = record["annotations"][0]
    assert set(first) >= {
        "id", "segmentation", "bbox", "area", "predicted_iou", "stability_score", "crop_box", "point_coords",
    }  # fmt: skip
    assert isinstance(first["segmentation"]["counts"], str)


@settings(deadline=None)
@given(st.lists(masks.filter(np.any), min_size=1, max_size=1))
def test_pycocotools_reads_the_masks(found):
    for record, mask in zip(sa1b_record(picture(*found))["annotations"], found, strict=True):
        np.testing.assert_array_equal(coco.decode(record["segmentation"]), mask)


def test_writing_what_was_read_changes_nothing(tmp_path):
    first = write_sa1b(scene(), tmp_path / "cat.json").read_bytes()
    again = write_sa1b(read_sa1b(tmp_path / "cat.json"), tmp_path / "cat.json").read_bytes()
    renumbered = json.loads(first)
    for number, record in enumerate(renumbered["annotations"], 1):
        record["id"] = number  # the one without pixels is not there any more
    assert json.loads(again) == renumbered


def test_ids_do_not_depend_on_other_pictures():
    ids = [sa1b_record(picture_from_records([], name, (1, 1)))["image"]["image_id"] for name in ("a", "b", "a")]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image": {"height": 1, "width": 1}, "annotations": []}'])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ImageError, match="SA-1B"):
        read_sa1b(path)


def test_a_folder_and_a_missing_file_are_said_to_be_that(tmp_path):
    for path, words in ((tmp_path, "a folder"), (tmp_path / "no.json", "no such file")):
        with pytest.raises(ImageError, match=f"SA-1B.*{words}"):
            read_sa1b(path)
