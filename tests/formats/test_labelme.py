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

from samhq.errors import ImageError
from samhq.formats.labelme import labelme_record, read_labelme, write_labelme


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


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_what_was_written_is_read(tmp_path, shapes):
    picture_read, skipped = read_labelme(write_labelme(scene(), tmp_path / "a.json", shapes))
    assert (picture_read.file_name, picture_read.size_hw, skipped) == ("cat.jpg", (40, 60), [])
    assert picture_read.source == tmp_path / "cat.jpg"
    for (_, item), (_, truth) in zip(picture_read.objects, scene().objects, strict=True):
        assert (item.label, item.score) == (truth.label, truth.score)
        np.testing.assert_array_equal(item.mask, truth.mask)


def hand_made(path, *shapes, **about):
    record = {"shapes": list(shapes), "imagePath": "..\\in\\cat.jpg", "imageHeight": 40, "imageWidth": 60} | about
    path.write_text(json.dumps(record))
    return path


def test_shapes_that_people_draw(tmp_path):
    rectangle = {"label": "r", "points": [[50, 30], [40, 20]], "shape_type": "rectangle"}
    circle = {"label": "c", "points": [[20, 20], [20, 30]], "shape_type": "circle"}
    outside = {"label": "o", "points": [[-5, -5], [3, -5], [3, 3], [-5, 3]]}
    line = {"label": "l", "points": [[0, 0], [9, 9]], "shape_type": "linestrip"}
    found, skipped = read_labelme(hand_made(tmp_path / "a.json", rectangle, circle, outside, line))
    assert found.file_name == "../in/cat.jpg"
    areas = {item.label: item.area for item in found.annotations}
    assert (areas["r"], areas["o"]) == (100, 9)
    assert areas["c"] == pytest.approx(np.pi * 100, rel=0.03)
    assert skipped == ["../in/cat.jpg: shape 3, a linestrip of 2 points, has no area."]


def test_a_size_that_is_missing_is_that_of_the_picture(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "cat.jpg")
    path = hand_made(tmp_path / "a.json", imageHeight=None, imagePath="cat.jpg")
    assert read_labelme(path)[0].size_hw == (40, 60)


@pytest.mark.parametrize("data", [None, "", "%%%", base64.b64encode(b"no picture").decode()])
def test_a_damaged_mask_is_named(tmp_path, data):
    shape = {"label": "m", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": data}
    with pytest.raises(ImageError, match="shape 0"):
        read_labelme(hand_made(tmp_path / "a.json", shape))


def test_a_mask_larger_than_the_picture_is_refused(tmp_path):
    png = io.BytesIO()
    Image.new("L", (61, 1)).save(png, "png")
    data = base64.b64encode(png.getvalue()).decode()
    shape = {"label": "m", "points": [[0, 0], [60, 0]], "shape_type": "mask", "mask": data}
    with pytest.raises(ImageError, match="61 x 1"):
        read_labelme(hand_made(tmp_path / "a.json", shape))
