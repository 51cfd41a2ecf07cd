from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from tests.datasets.layouts import annotation, coco, disc, photo, save

from samhq.datasets.coco import CocoPictures, decode_segmentation, open_coco_pictures
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import Pictures
from samhq.errors import ConfigError, ImageError
from samhq.masks import rle

SIZE = (40, 56)


def test_every_form_of_segmentation(tmp_path: Path) -> None:
    mask, crowd = disc(), disc(centre=(10, 40), radius=6)
    records = [
        annotation(5, 1, mask),
        annotation(7, 1, mask, 2, segmentation=rle.uncompressed(mask)),
        annotation(9, 1, mask, segmentation=[[2, 3, 20, 3, 20, 30], [30, 30, 40, 30, 40, 35, 30, 35]]),
        annotation(11, 1, crowd, segmentation=rle.uncompressed(crowd), iscrowd=1),
        annotation(12, 1, mask, segmentation=[]),
    ]
    path = coco(tmp_path / "data.json", {"a.png": SIZE, "none.png": (8, 9)}, records)
    pictures = open_dataset(path)
    assert isinstance(pictures, Pictures)
    assert (pictures.name, list(pictures.names())) == ("data", ["a", "none"])
    sample = pictures[0]
    assert (sample.ids, sample.categories) == ((5, 7, 9, 11, 12), ("disc", "bar", "disc", "disc", "disc"))
    assert np.array_equal(sample.masks[:2], [mask, mask])
    assert np.array_equal(sample.masks[3], crowd)
    assert sample.crowd.tolist() == [False, False, False, True, False]
    assert sample.objects == [0, 1, 2]
    assert pictures[1].masks.shape == (0, 8, 9)


@given(st.lists(st.lists(st.floats(0, 50, width=16), min_size=3, max_size=8), min_size=1, max_size=3))
def test_polygons_are_filled_as_pycocotools_does(halves: list[list[float]]) -> None:
    rings = [[*half, *half[::-1]] for half in halves]
    record = {"id": 1, "image_id": 1, "segmentation": rings, "iscrowd": 0}
    theirs = COCO()
    theirs.imgs = {1: {"height": SIZE[0], "width": SIZE[1]}}
    assert np.array_equal(decode_segmentation(record, SIZE), theirs.annToMask(record).astype(bool))


@pytest.mark.parametrize("far", [1e7, 1e8, 9e8, 1e11])
def test_points_far_outside_the_picture_are_cut_off(tmp_path: Path, far: float) -> None:
    """At 1e8 pycocotools takes gigabytes and then ends the process (cocodataset/cocoapi#380)."""
    records = [annotation(1, 1, disc(), segmentation=[[-far, 10, far, 10, far, 20, -far, 20], [0, 0, 1, 0, 1, far]])]
    (mask,) = open_dataset(coco(tmp_path / "data.json", {"a.png": SIZE}, records))[0].masks
    assert mask[10:20].all()
    assert not mask[:10, 2:].any()
    assert not mask[20:, 2:].any()


@pytest.mark.parametrize("beyond", [1e12, -1e300, float("nan"), float("inf"), 10**400])
def test_numbers_that_are_no_coordinates_are_refused(beyond: float) -> None:
    with pytest.raises(ImageError, match="annotation 3"):
        decode_segmentation({"id": 3, "segmentation": [[0, 0, 5, 0, beyond, 5]]}, SIZE)


def test_polygons_of_two_points_cover_nothing_rather_than_a_box() -> None:
    assert not decode_segmentation({"segmentation": [[3, 3, 20, 20]]}, SIZE).any()


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (None, "Boxes alone"),
        ([[1, 2, 3, 4, 5, 6, 7]], "Correct the file"),
        ([["1", 2, 3, 4, 5, 6]], "Correct the file"),
        ([1, 2, 3, 4, 5, 6], "Correct the file"),
        ({"size": [3, 3], "counts": [9]}, "3 x 3"),
        ({"size": [40, 56], "counts": [9]}, "annotation 4 of cat.jpg"),
    ],
)
def test_damaged_segmentations_are_named(segmentation: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said) as caught:
        decode_segmentation({"id": 4, "segmentation": segmentation}, SIZE, "cat.jpg")
    assert "annotation 4" in str(caught.value)


def test_missing_and_mismatched_pictures_are_named(tmp_path: Path) -> None:
    path = coco(tmp_path / "data.json", {"a.png": SIZE, "b.png": SIZE}, [])
    (tmp_path / "a.png").unlink()
    save(tmp_path / "b.png", photo(10, 12))
    pictures = open_coco_pictures(path)
    with pytest.raises(ImageError, match=r"a\.png.*does not exist"):
        pictures[0]
    with pytest.raises(ImageError, match=r"b\.png of 12 x 10 .* data of 56 x 40"):
        pictures[1]


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("train/_annotations.coco.json", ""),
        ("train.json", "train"),
        ("annotations/instances_train2017.json", "../train2017"),
        ("annotations/instances_train2017.json", "../images/train2017"),
        ("labels/data.json", ".."),
    ],
)
def test_the_folder_of_the_pictures_is_found(tmp_path: Path, file: str, folder: str) -> None:
    """Also beside another folder whose pictures have the same names."""
    other = {
        "..": "../x",
        "train": "val",
        "../train2017": "../val2017",
        "../images/train2017": "../images/val2017",
    }.get(folder, "x")
    path = coco(tmp_path / file, {"0.png": SIZE, "1.png": SIZE}, [], folder)
    save(path.parent / other / "0.png", photo(3, 3))
    save(path.parent / other / "1.png", photo(3, 3))
    pictures = open_dataset(path)
    assert isinstance(pictures, CocoPictures)
    assert pictures.folder.resolve() == (path.parent / folder).resolve()
    assert pictures[0].image.shape[:2] == SIZE


def test_an_unclear_folder_is_asked_for(tmp_path: Path) -> None:
    path = coco(tmp_path / "labels.json", {"0.png": SIZE}, [], "one")
    save(tmp_path / "two" / "0.png", photo(*SIZE))
    with pytest.raises(ConfigError, match=r"one.*two.*images="):
        open_dataset(path)
    assert len(open_dataset(path, images=tmp_path / "two")) == 1
    with pytest.raises(ConfigError, match="which is no folder"):
        open_dataset(path, images=tmp_path / "three")
    for folder in ("one", "two"):
        (tmp_path / folder / "0.png").unlink()
    with pytest.raises(ConfigError, match=r"such as 0\.png.*got none"):
        open_dataset(path)


def test_names_are_unique(tmp_path: Path) -> None:
    path = coco(tmp_path / "data.json", {"a.png": SIZE, "a.jpg": SIZE, "b.png": SIZE}, [])
    content = json.loads(path.read_text())
    content["images"].append({"id": 9, "file_name": "a.jpg", "height": 40, "width": 56})
    path.write_text(json.dumps(content))
    assert list(open_coco_pictures(path).names()) == ["a.png", "a.jpg#2", "b", "a.jpg#9"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "as JSON, got text that is not"),
        ("[]", "with the document as an object with images, annotations"),
        ('{"images": []}', "'annotations'"),
        (
            '{"images": [{"id": 1}], "annotations": []}',
            r"images\[0\] .* without 'file_name'",
        ),
        ('{"images": [], "annotations": [3]}', r"annotations\[0\] as an object with image_id, got 3"),
        ('{"images": [], "annotations": [], "categories": [{"name": "a"}]}', r"categories\[0\] as an object with id"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(ConfigError, match=said):
        open_dataset(tmp_path / "data.json")


def test_ids_that_are_no_numbers_and_objects_without_category(tmp_path: Path) -> None:
    records = [annotation(1, 1, disc()) | {"id": "a"}, annotation(2, 1, disc())]
    del records[1]["category_id"]
    sample = open_dataset(coco(tmp_path / "data.json", {"a.png": SIZE}, records))[0]
    assert (sample.ids, sample.categories) == ((1, 2), ("disc", ""))


def test_a_file_without_pictures(tmp_path: Path) -> None:
    assert len(open_dataset(coco(tmp_path / "data.json", {}, []))) == 0
