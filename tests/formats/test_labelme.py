"""labelme's files: its fields and types, and masks as its `shapes_to_label` puts them together."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from tests.results.drawn import filled, masks, picture, scene

from samhq.formats.labelme import labelme_record, write_labelme


def read(shape: dict, size_hw: tuple[int, int]) -> np.ndarray:
    """One shape's mask. Exact masks as labelme places them, polygons by their outlines."""
    points = np.array(shape["points"])
    if shape["shape_type"] == "polygon":
        return filled([points], size_hw)
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as png:
        crop = np.asarray(png).astype(bool)
    mask = np.zeros(size_hw, bool)
    (x1, y1), (x2, y2) = points.astype(int)
    mask[y1 : y2 + 1, x1 : x2 + 1] = crop
    return mask


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_masks_come_back(shapes, mask):
    found = labelme_record(picture(mask), "a.png", shapes)["shapes"]
    together = np.zeros_like(mask)
    for shape in found:
        together ^= read(shape, mask.shape)
    np.testing.assert_array_equal(together, mask)
    assert len(found) <= 1 or {shape["group_id"] for shape in found} == {1}


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_fields_have_the_types_that_labelme_checks(tmp_path, shapes):
    record = json.loads(write_labelme(scene(), tmp_path / "a.json", shapes).read_text())
    assert set(record) == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert (record["imagePath"], record["imageData"]) == ("cat.jpg", None)
    assert (record["imageHeight"], record["imageWidth"]) == (40, 60)
    assert len(record["shapes"]) == (3 if shapes == "mask" else 4)
    for shape in record["shapes"]:
        assert set(shape) == {"label", "points", "group_id", "shape_type", "flags", "description", "mask"}
        assert isinstance(shape["label"], str)
        assert isinstance(shape["description"], str)
        assert shape["points"]
        assert all(len(point) == 2 and all(isinstance(c, float) for c in point) for point in shape["points"])
        assert shape["group_id"] is None or isinstance(shape["group_id"], int)
        assert shape["flags"] == {}
        assert isinstance(shape["mask"], str) == (shape["shape_type"] == "mask")
    groups = [shape["group_id"] for shape in record["shapes"]]
    assert groups == ([None] * 3 if shapes == "mask" else [None, 2, 2, None])


def test_the_picture_is_found_from_the_file_s_folder(tmp_path):
    source = tmp_path / "in" / "cat.jpg"
    path = write_labelme(scene(source=source), tmp_path / "out" / "labelme" / "cat.json")
    named = json.loads(path.read_text())["imagePath"]
    assert (path.parent / named).resolve() == source.resolve()
