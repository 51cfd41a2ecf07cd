"""Supervisely's projects: their files and fields; masks come back, as bitmaps and as polygons."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from tests.results.drawn import masks, picture, scene

from samhq.errors import ImageError
from samhq.formats.supervisely import open_supervisely, read_supervisely, supervisely_record


def read(folder: Path, record: Any) -> Any:
    (folder / "a.png.json").write_text(json.dumps(record))
    return read_supervisely(folder / "a.png.json")


def file_of(*objects: dict[str, Any], size_hw: tuple[int, int] = (10, 12)) -> dict[str, Any]:
    return {"size": {"height": size_hw[0], "width": size_hw[1]}, "tags": [], "objects": list(objects)}


def bitmap(mask: Any, x: int = 0, y: int = 0, **save: Any) -> dict[str, Any]:
    stream = io.BytesIO()
    mask.save(stream, "png", **save)
    data = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    return {"classTitle": "cup", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [x, y]}}


def polygon(exterior: Any, *interior: Any) -> dict[str, Any]:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": "cup", "geometryType": "polygon", "points": points}


def drawn(record: dict[str, Any]) -> np.ndarray:
    """All polygons of a record as supervisely draws them (`geometry/polygon.py`, `_draw_impl`), with OpenCV."""
    canvas = np.zeros((record["size"]["height"], record["size"]["width"]), bool)
    for one in record["objects"]:
        area = np.zeros(canvas.shape, np.uint8)
        cv2.fillPoly(area, [np.array(one["points"]["exterior"])], 1)
        cv2.fillPoly(area, [np.array(ring) for ring in one["points"]["interior"]], 0)
        canvas |= area > 0
    return canvas


@settings(deadline=None, max_examples=60)
@given(masks)
@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_masks_come_back(tmp_path_factory, shapes, mask):
    back, skipped = read(tmp_path_factory.mktemp("sly"), supervisely_record(picture(mask), shapes))
    together = np.zeros_like(mask)
    for one in back.annotations:
        together |= one.mask
    assert not skipped
    np.testing.assert_array_equal(together, mask)


@settings(deadline=None, max_examples=60)
@given(masks)
def test_polygons_are_drawn_as_they_are_meant(mask):
    np.testing.assert_array_equal(drawn(supervisely_record(picture(mask), "polygon")), mask)


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
def test_a_project(tmp_path, shapes):
    before = scene()
    with open_supervisely(tmp_path, shapes=shapes, labels=["dog"]) as add:
        annotation, image = add(before)
        add(scene("dog.jpg", source=None))
    assert annotation == tmp_path / "ds0" / "ann" / "cat.png.json"
    assert image == tmp_path / "ds0" / "img" / "cat.png"
    meta = json.loads((tmp_path / "meta.json").read_text())
    kind = "bitmap" if shapes == "mask" else "polygon"
    assert [(one["title"], one["shape"]) for one in meta["classes"]] == [
        (name, kind) for name in ("dog", "wheel", "pair & <co>")
    ]
    after, _ = read_supervisely(annotation)
    assert (after.file_name, after.size_hw) == ("cat.png", (40, 60))
    assert {one.label for one in after.annotations} == {"wheel", "pair & <co>"}
    assert {one.score for one in after.annotations} == {0.9, 0.8, None}
    if shapes == "mask":
        kept = [one for _, one in before.objects]
        for one, other in zip(after.annotations, kept, strict=True):
            np.testing.assert_array_equal(one.mask, other.mask)


def test_a_picture_that_is_not_known_keeps_its_name(tmp_path):
    unknown = scene("cat.jpeg")
    with open_supervisely(tmp_path) as add:
        written = add(picture(*(one.mask for one in unknown.annotations), file_name="cat.jpeg"))
    assert [path.name for path in written] == ["cat.jpeg.json"]


def test_bitmaps_of_every_kind_are_read(tmp_path):
    on = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)
    palette = Image.fromarray(on)
    palette.putpalette([0, 0, 0, 255, 255, 255])
    alpha = Image.fromarray(np.dstack([on * 0, on * 0, on * 0, on * 255]))
    plain = Image.fromarray(on * 255)
    found = read(tmp_path, file_of(bitmap(palette, 3, 4, transparency=0), bitmap(alpha, 3, 4), bitmap(plain, 3, 4)))
    for one in found[0].annotations:
        np.testing.assert_array_equal(one.mask[4:6, 3:6], on == 1)
        assert one.area == 4


def test_corners_are_whole_pixels(tmp_path):
    (one,) = read(tmp_path, file_of(polygon([[1, 1], [5, 1], [5, 5], [1, 5]], [[2, 2], [4, 2], [4, 4], [2, 4]])))[
        0
    ].annotations
    assert one.area == 25 - 9
    assert not one.mask[2:5, 2:5].any()
    assert one.mask[1, 1]


@pytest.mark.parametrize(
    ("ring", "area"),
    [
        ([[-5, -5], [2, -5], [2, 2], [-5, 2]], 9),
        ([[3, 3]], 1),
        ([[0, 0], [4, 0]], 5),
        ([[50, 50], [60, 50], [60, 60]], 0),
    ],
)
def test_parts_outside_and_thin_polygons(tmp_path, ring, area):
    assert read(tmp_path, file_of(polygon(ring)))[0].annotations[0].area == area


def test_what_has_no_mask_is_named(tmp_path):
    box = {"classTitle": "cup", "geometryType": "rectangle", "points": {"exterior": [[1, 1], [2, 2]], "interior": []}}
    found, skipped = read(tmp_path, file_of(box))
    assert found.annotations == ()
    assert skipped == ["object 0 of a.png: a rectangle has no mask."]


@pytest.mark.parametrize(
    "one",
    [
        {"classTitle": "cup", "geometryType": "bitmap"},
        {"classTitle": "cup", "geometryType": "bitmap", "bitmap": {"data": "???", "origin": [0, 0]}},
        {"classTitle": "cup", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [0, 0]}},
        bitmap(Image.new("L", (13, 2))),
        polygon([[1, "a"]]),
        polygon([1, 2]),
        polygon([]),
    ],
)
def test_damaged_objects_are_refused(tmp_path, one):
    with pytest.raises(ImageError, match="Expected"):
        read(tmp_path, file_of(one))
