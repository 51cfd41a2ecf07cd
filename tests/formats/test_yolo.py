"""Label files read back by their documented form, and as ultralytics fills them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from PIL import Image
from tests.results.drawn import annotation, filled, masks, scene

from samhq.errors import ImageError
from samhq.formats.yolo import open_yolo, outline, read_yolo


def read(path: Path) -> list[tuple[int, np.ndarray]]:
    """Classes and normalised rings of a label file, as documented: `class x1 y1 x2 y2 …`."""
    rows = [line.split() for line in path.read_text().splitlines()]
    assert all(len(row) >= 7 and len(row) % 2 == 1 for row in rows)
    return [(int(row[0]), np.array(row[1:], float).reshape(-1, 2)) for row in rows]


def test_labels_pictures_and_classes_come_back(tmp_path):
    source = tmp_path / "in" / "Photo 1.JPG"
    source.parent.mkdir()
    Image.new("RGB", (60, 40)).save(source, "JPEG")
    with open_yolo(tmp_path / "yolo") as add:
        assert add(scene(stem="a")) == [tmp_path / "yolo/labels/a.txt", tmp_path / "yolo/images/a.png"]
        assert add(scene(stem="b", source=source))[1] == tmp_path / "yolo/images/b.jpg"
    assert (tmp_path / "yolo/images/b.jpg").read_bytes() == source.read_bytes()
    config = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert config == {"train": "images", "val": "images", "names": {0: "wheel", 1: "pair & <co>"}}
    found = read(tmp_path / "yolo/labels/a.txt")
    for (number, ring), (_, item) in zip(found, scene().objects, strict=True):
        assert config["names"][number] == item.label
        assert ring.min() >= 0
        assert ring.max() <= 1
        np.testing.assert_array_equal(filled([ring * (60, 40)], (40, 60)), item.mask)


def _smaller(path: Path) -> None:
    Image.new("RGB", (59, 40)).save(path, "PNG")


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(path, "JPEG", exif=exif)  # is shown 40 wide and 60 high


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("root:x:0:0:root:/root:/bin/bash\n"),
        lambda path: Image.new("RGB", (60, 40)).save(path, "EPS"),
        lambda path: path.write_bytes(b""),
        _smaller,
        _turned,
        os.mkfifo,
    ],
    ids=["text", "eps", "empty", "smaller", "turned", "pipe"],
)
def test_nothing_but_the_picture_of_the_masks_is_copied(make, tmp_path):
    secret = tmp_path / "secret.png"
    make(secret)
    with pytest.raises(ImageError, match=r"secret\.png"), open_yolo(tmp_path / "yolo") as add:
        add(scene(stem="a", source=secret))
    assert not list((tmp_path / "yolo").rglob("images/*"))


def test_a_picture_that_only_gdal_reads_is_copied(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    source = tmp_path / "field.tif"
    with rasterio.open(source, "w", driver="GTiff", width=60, height=40, count=7, dtype="uint16") as raster:
        raster.write(np.zeros((7, 40, 60), np.uint16))
    with open_yolo(tmp_path / "yolo") as add:
        assert add(scene(stem="a", source=source))[1].read_bytes() == source.read_bytes()


@settings(deadline=None)
@given(masks)
def test_normalised_text_still_fills_to_the_mask(mask):
    height, width = mask.shape
    text = [f"{value:.8g}" for value in outline(annotation(mask)).ravel()]
    ring = np.array(text, float).reshape(-1, 2) * (width, height)
    np.testing.assert_array_equal(filled([ring], mask.shape), mask)


def test_filled_as_ultralytics_does_the_mask_is_there_to_the_pixel():
    """Its rule: corners cut to whole numbers, `cv2.fillPoly`, which also draws the outline itself."""
    y, x = np.ogrid[:300, :400]
    mask = ((y - 150) ** 2 + (x - 200) ** 2 < 120**2) & ((y - 140) ** 2 + (x - 190) ** 2 > 50**2)
    mask[20:60, 20:90] = True
    theirs = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(theirs, [(outline(annotation(mask)) * (400, 300) + 1e-6).astype(np.int32)], 1)
    wider = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)))
    assert (theirs >= mask).all()
    corridors = (theirs > wider).sum()
    assert corridors <= 120  # one line between the two parts; the one to the hole lies on the object
    assert (theirs & mask).sum() / (theirs | mask).sum() > 0.97


def test_a_picture_without_objects_has_an_empty_file(tmp_path):
    from samhq.results.picture import Picture

    with open_yolo(tmp_path, labels=["cat"]) as add:
        add(Picture("a.jpg", (4, 4)))
    assert (tmp_path / "labels/a.txt").read_text() == ""
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == {0: "cat"}


def test_names_of_classes_are_safe_in_yaml(tmp_path):
    odd = ["no", "1", 'a "b": #c', "Ä\n"]
    with open_yolo(tmp_path, labels=odd):
        pass
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == dict(enumerate(odd))


def test_what_was_written_is_read(tmp_path):
    with open_yolo(tmp_path) as add:
        label_file = add(scene(stem="a"))[0]
    found, skipped = read_yolo(label_file, "a.png", (40, 60), {0: "wheel"})
    assert [item.label for item in found.annotations] == ["wheel", "1", "wheel"]
    assert not skipped
    for (_, item), (_, truth) in zip(found.objects, scene().objects, strict=True):
        np.testing.assert_array_equal(item.mask, truth.mask)


def test_boxes_have_no_mask(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.1 0.1\n\n1 0 0 1 0 1 1\n")
    found, skipped = read_yolo(path, "a.png", (40, 60), {})
    assert [item.label for item in found.annotations] == ["1"]
    assert skipped == [f"a.png: line 1 of {path} is a box and has no mask."]


@pytest.mark.parametrize(
    "line", ["cat 0 0 1 0 1 1", "0 0 0 1 0 1", "0.5 0 0 1 0 1 1", "0 0 0 300 0 300 200", "0 nan 0 1 0 1 1"]
)
def test_lines_that_are_no_outline_are_named(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"0 0 0 1 0 1 1\n{line}\n")
    with pytest.raises(ImageError, match=r"line 2 of .*a\.txt"):
        read_yolo(path, "a.png", (40, 60), {})
