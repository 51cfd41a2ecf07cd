"""CVAT's XML: masks from runs row by row in their boxes, polygons from points."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from tests.results.drawn import filled, masks, picture, scene

from samhq.errors import ImageError
from samhq.formats.cvat import _image, open_cvat, read_cvat


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


@settings(deadline=None, max_examples=40)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_our_files_are_read(tmp_path_factory, shapes, mask):
    path = tmp_path_factory.mktemp("cvat") / "a.xml"
    with open_cvat(path, shapes=shapes) as add:
        add(picture(mask))
    ((back, skipped),) = read_cvat(path)
    assert (back.file_name, back.size_hw, skipped) == ("cat.jpg", mask.shape, [])
    assert len(back.annotations) == mask.any()
    for one in back.annotations:
        np.testing.assert_array_equal(one.mask, mask)


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_a_scene_comes_back(tmp_path, shapes):
    with open_cvat(tmp_path / "a.xml", shapes=shapes) as add:
        add(scene())
        add(scene("dog.jpg"))
    for (back, _), name in zip(read_cvat(tmp_path / "a.xml"), ("cat.jpg", "dog.jpg"), strict=True):
        assert back.file_name == name
        for one, (_, other) in zip(back.annotations, scene().objects, strict=True):
            assert one.label == other.label
            np.testing.assert_array_equal(one.mask, other.mask)


def image(*shapes: str, about: str = 'name="a.png" width="6" height="4"') -> str:
    return f"<annotations><version>1.1</version><image id='0' {about}>{''.join(shapes)}</image></annotations>"


def test_shapes_of_every_kind(tmp_path):
    square = "<polygon label='cup' group_id='{}' points='{},0;{},0;{},2;{},2'/>"
    box = "<box label='cup' xtl='0' ytl='0' xbr='1' ybr='1'/>"
    mask = "<mask label='cat' rle='0, 4' left='-1' top='3' width='2' height='2'/>"
    shapes = [square.format(g, x, x + 1, x + 1, x) for g, x in ((1, 0), (1, 2), (0, 4), (0, 5))]
    (tmp_path / "a.xml").write_text(image(*shapes, box, mask))
    ((back, skipped),) = read_cvat(tmp_path / "a.xml")
    assert [(one.label, one.area) for one in back.annotations] == [("cup", 4), ("cup", 2), ("cup", 2), ("cat", 1)]
    assert skipped == ["a.png: a box has no mask."]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "<annotations",
        "<other/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>",
        image(about='name="a.png" width="6"'),
        image(about='name="a.png" width="1000000" height="1000000"'),
        image("<polygon label='cup' points=''/>"),
        image("<polygon label='cup' points='1,2;3'/>"),
        image("<polygon label='cup' points='1,2;3,nan;1,1'/>"),
        image("<mask label='cup' rle='0, 3' left='0' top='0' width='2' height='2'/>"),
        image("<mask label='cup' rle='-1, 5' left='0' top='0' width='2' height='2'/>"),
        image("<mask label='cup' rle='0, 49' left='0' top='0' width='7' height='7'/>"),
        image("<mask label='cup' rle='x' left='0' top='0' width='2' height='2'/>"),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(ImageError, match="Expected"):
        list(read_cvat(tmp_path / "a.xml"))
    with pytest.raises(ImageError, match="Expected"):
        list(read_cvat(tmp_path / "missing.xml"))
