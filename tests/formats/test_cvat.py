"""CVAT's XML: masks from runs row by row in their boxes, polygons from points."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import filled, masks, picture, scene

from samhq.formats.cvat import _image, open_cvat


def mask_of(element: ElementTree.Element, size_hw: tuple[int, int]) -> np.ndarray:
    if element.tag == "polygon":
        points = [pair.split(",") for pair in element.attrib["points"].split(";")]
        return filled([np.array(points, float)], size_hw)
    left, top, width, height = (int(element.attrib[name]) for name in ("left", "top", "width", "height"))
    counts = [int(count) for count in element.attrib["rle"].split(",")]
    mask = np.zeros(size_hw, bool)
    crop = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    mask[top : top + height, left : left + width] = crop
    return mask


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_masks_come_back(shapes, mask):
    image = _image(picture(mask), 0, shapes, 0.0)
    together = np.zeros_like(mask)
    for element in image:
        together ^= mask_of(element, mask.shape)
    np.testing.assert_array_equal(together, mask)
    assert len(image) <= 1 or {element.get("group_id") for element in image} == {"1"}


def read(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path).getroot()


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_the_file_is_that_of_version_1_1(tmp_path, shapes):
    with open_cvat(tmp_path / "cvat.xml", shapes=shapes, labels=["cat"]) as add:
        add(scene("a & b.jpg"))
        add(scene("dog.jpg"))
        assert list(tmp_path.iterdir()) == []
    root = read(tmp_path / "cvat.xml")
    assert [child.tag for child in root] == ["version", "meta", "image", "image"]
    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/size") == "2"
    assert [name.text for name in root.iterfind("meta/task/labels/label/name")] == ["cat", "wheel", "pair & <co>"]
    for number, (image, name) in enumerate(zip(root.iterfind("image"), ("a & b.jpg", "dog.jpg"), strict=True)):
        assert image.attrib == {"id": str(number), "name": name, "width": "60", "height": "40"}
        assert {element.tag for element in image} == {shapes}
        assert all({"label", "source", "occluded", "z_order"} <= set(element.attrib) for element in image)
        assert [e.get("label") for e in image][-1] == "wheel"
