"""YOLO's datasets: what this library writes, and the layouts of other exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import photo, save
from tests.results.drawn import scene

from samhq.datasets.open import open_dataset
from samhq.datasets.yolo import open_yolo_pictures, yolo_source
from samhq.errors import ConfigError
from samhq.formats.options import WriteOptions
from samhq.formats.write import write

SQUARE = "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"


def dataset(folder: Path, images: str = "images/{}", labels: str = "labels/{}", **entries: str) -> Path:
    """A dataset with a picture of 40 x 56 pixels and an object in each of train and val."""
    for part in ("train", "val"):
        save(folder / images.format(part) / f"{part}.png", photo())
        path = folder / labels.format(part) / f"{part}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SQUARE)
    given = {"train": "images/train", "val": "images/val", "names": "[cat, dog]"} | entries
    (folder / "data.yaml").write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    return folder / "data.yaml"


def test_a_written_dataset_comes_back(tmp_path: Path) -> None:
    write(["yolo"], [scene("a.png")], tmp_path, WriteOptions())
    (sample,) = list(open_dataset(tmp_path / "yolo"))
    assert sample.categories == ("wheel", "pair & <co>", "wheel")
    for mask, (_, item) in zip(sample.masks, scene().objects, strict=True):
        np.testing.assert_array_equal(mask, item.mask)


@pytest.mark.parametrize("root", ["", ".", "{}"])
def test_parts_and_their_root(tmp_path: Path, root: str) -> None:
    path = dataset(tmp_path, **({"path": root.format(tmp_path)} if root else {}))
    for part in ("train", "val"):
        (sample,) = list(open_dataset(f"{path}@{part}"))
        assert (sample.name, sample.categories, int(sample.masks.sum())) == (part, ("dog",), 20 * 28)
    assert open_dataset(f"{tmp_path}@val").names() == ["val"]


def test_the_layout_of_exports_with_parts_first(tmp_path: Path) -> None:
    path = dataset(tmp_path, "{}/images", "{}/labels", train="../train/images", val="../val/images")
    assert open_dataset(f"{path}@val")[0].masks.sum() == 20 * 28


def test_lists_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("./images/train/train.png\n\nimages/val/val.png\n")
    path = dataset(tmp_path, train="train.txt", val="[images/val, images/train]")
    for part in ("train", "val"):
        assert sorted(open_dataset(f"{path}@{part}").names()) == ["train", "val"]


def test_a_picture_without_a_label_file_has_no_objects(tmp_path: Path) -> None:
    path = dataset(tmp_path)
    save(tmp_path / "images/train/empty.png", photo())
    pictures = open_yolo_pictures(path, "train")
    assert [len(sample.masks) for sample in pictures] == [0, 1]
    assert pictures.left_out(0) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, r"train or val, got none\. Write .*data\.yaml@train"),
        ("@test", "train or val, got 'test'"),
        ({"train": "nowhere"}, "Expected pictures of 'train'"),
        ({"names": "7"}, "Expected names"),
        ("nc: 2\n", "with train:"),
        ("train: [\n", "Expected YAML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: str | dict[str, str] | None, message: str) -> None:
    path = dataset(tmp_path, **(change if isinstance(change, dict) else {}))
    source = f"{path}@train" if isinstance(change, dict) else str(path)
    if isinstance(change, str) and change.startswith("@"):
        source += change
    elif isinstance(change, str):
        path.write_text(change)
    with pytest.raises(ConfigError, match=message):
        open_dataset(source)


def test_a_dataset_without_any_labels_is_refused(tmp_path: Path) -> None:
    path = dataset(tmp_path)
    (tmp_path / "labels/train/train.txt").unlink()
    with pytest.raises(ConfigError, match=r"Expected label files .*train\.txt"):
        open_yolo_pictures(path, "train")


def test_sources(tmp_path: Path) -> None:
    path = dataset(tmp_path)
    assert yolo_source(str(tmp_path)) == (path, None)
    assert yolo_source(f"{path}@val") == (path, "val")
    assert yolo_source("photos") is None
    assert yolo_source("hqseg44k:val@data") is None
