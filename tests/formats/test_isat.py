"""ISAT's files: its fields, groups and layers; masks come back, and files of ISAT are read as ISAT reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import masks, picture, scene

from samhq.errors import ImageError
from samhq.formats.isat import isat_record, open_isat, read_isat

#: The fields that ISAT 1.5.2 writes (`ISAT/annotation.py`, `save_annotation`).
INFO = {"description", "folder", "name", "width", "height", "depth", "note"}
OBJECT = {"category", "group", "segmentation", "area", "layer", "bbox", "iscrowd", "note"}


def read(tmp_path: Path, record: Any) -> Any:
    (tmp_path / "a.json").write_text(json.dumps(record))
    return read_isat(tmp_path / "a.json")


def square(x: float, y: float, side: float, category: str = "cup", **more: Any) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]
    return {"category": category, "segmentation": ring} | more


def file_of(*objects: dict[str, Any], size_hw: tuple[int, int] = (10, 12)) -> dict[str, Any]:
    info = {"description": "ISAT", "name": "a.jpg", "height": size_hw[0], "width": size_hw[1]}
    return {"info": info, "objects": list(objects)}


@settings(deadline=None, max_examples=40)
@given(masks)
def test_masks_come_back(tmp_path_factory, mask):
    back = read(tmp_path_factory.mktemp("isat"), isat_record(picture(mask)))
    assert len(back.annotations) == mask.any()
    for one in back.annotations:
        np.testing.assert_array_equal(one.mask, mask)


def test_a_scene_comes_back(tmp_path):
    before = scene()
    with open_isat(tmp_path, labels=["dog"]) as add:
        (path,) = add(before)
    after = read_isat(path)
    assert (after.file_name, after.size_hw, after.stem) == ("cat.jpg", (40, 60), "cat")
    kept = [one for _, one in before.objects]
    assert [one.label for one in after.annotations] == [one.label for one in kept]
    assert [one.score for one in after.annotations] == [one.score for one in kept]
    for one, other in zip(after.annotations, kept, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_fields_are_those_of_isat(tmp_path):
    with open_isat(tmp_path) as add:
        (path,) = add(scene(source=tmp_path / "photos" / "cat.jpg"))
    record = json.loads(path.read_text())
    assert set(record["info"]) == INFO
    assert record["info"]["description"] == "ISAT"
    assert record["info"]["folder"] == str(tmp_path / "photos")
    assert [one["group"] for one in record["objects"]] == [1, 2, 2, 4]
    assert [one["layer"] for one in record["objects"]] == [1.0, 2.0, 3.0, 4.0]
    areas = [one["area"] for one in record["objects"]]
    assert areas == [16 * 20 - 5 * 7, 80, 5 * 29, 1]
    assert record["objects"][0]["bbox"] == [5, 4, 25, 20]
    assert all(set(one) == OBJECT for one in record["objects"])
    yaml = pytest.importorskip("yaml")
    classes = yaml.safe_load((tmp_path / "isat.yaml").read_text())["label"]
    assert [one["name"] for one in classes] == ["__background__", "wheel", "pair & <co>"]
    assert all(len(one["color"]) == 7 for one in classes)


def test_polygons_of_one_group_and_class_are_one_object(tmp_path):
    found = read(
        tmp_path,
        file_of(
            square(0, 0, 4, group=1),
            square(2, 2, 4, group=1),
            square(8, 8, 1, group=1, category="cat"),
            square(8, 0, 1, group=2),
            square(0, 8, 1),
            square(4, 8, 1, group=0),
        ),
    ).annotations
    assert [(one.label, one.area) for one in found] == [("cup", 28), ("cat", 1), ("cup", 1), ("cup", 1), ("cup", 1)]


def test_background_on_a_higher_layer_is_a_hole(tmp_path):
    found = read(
        tmp_path,
        file_of(
            square(0, 0, 8, group=1, layer=1.0),
            square(3, 3, 2, group=2, layer=3.0, category="cat"),
            square(2, 2, 4, layer=2.0, category="__background__"),
        ),
    ).annotations
    assert [(one.label, one.area) for one in found] == [("cup", 48), ("cat", 4)]


def test_what_lies_outside_is_cut_off(tmp_path):
    (one,) = read(tmp_path, file_of(square(8, 6, 100))).annotations
    assert (one.area, one.bbox_xywh) == (16, (8, 6, 4, 4))


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"info": {"name": "a", "height": 0, "width": 3}, "objects": []},
        file_of({"category": "cup"}),
        file_of(square(0, 0, 1, group="one")),
        file_of({"category": "cup", "segmentation": [[1, 2, 3]]}),
        file_of({"category": 3, "segmentation": []}),
    ],
)
def test_other_files_are_refused(tmp_path, record):
    with pytest.raises(ImageError, match="Expected"):
        read(tmp_path, record)
