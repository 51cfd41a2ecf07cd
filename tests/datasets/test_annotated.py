"""Label files that this library writes for other tools are data sets with the same masks and classes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import save
from tests.results.drawn import scene

from samhq.datasets.annotated import AnnotatedPictures, LabelledFile, open_label_folder, with_unique_names
from samhq.datasets.check import check_dataset
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import SizeMismatchError
from samhq.errors import ConfigError, ImageError
from samhq.formats.options import WriteOptions
from samhq.formats.write import write
from samhq.results.picture import Picture


def exported(folder: Path, format: str, shapes: str = "mask") -> Path:
    """A data set of two pictures in a format, its pictures beside the labels; returns its source."""
    pictures = []
    for number, name in enumerate(("a.png", "b.png")):
        picture = scene(name, seed=number)
        pictures.append(picture)
    write([format], pictures, folder, WriteOptions(shapes=shapes))
    where = {"labelme": folder / "labelme", "isat": folder / "isat"}.get(format, folder)
    if format != "supervisely":
        for picture in pictures:
            save(where / picture.file_name, picture.image)
    sources = {"cvat": folder / "cvat.xml", "labelstudio": folder / "labelstudio.json"}
    return sources.get(format, folder / format)


@pytest.mark.parametrize("shapes", ["mask", "polygon"])
@pytest.mark.parametrize("format", ["labelme", "isat", "supervisely", "cvat", "labelstudio"])
def test_written_labels_are_a_data_set(tmp_path: Path, format: str, shapes: str) -> None:
    if format == "isat" and shapes == "mask":
        pytest.skip("ISAT has polygons only")
    pictures = open_dataset(exported(tmp_path, format, shapes))
    assert sorted(pictures.names()) == ["a", "b"]
    for index, name in enumerate(pictures.names()):
        sample = pictures[index]
        truth = scene(f"{name}.png", seed="ab".index(name))
        np.testing.assert_array_equal(sample.image, truth.image)
        expected = {item.label: np.zeros((40, 60), bool) for _, item in truth.objects}
        found = {label: np.zeros((40, 60), bool) for label in sample.categories}
        for _, item in truth.objects:
            expected[item.label] |= item.mask
        for label, mask in zip(sample.categories, sample.masks, strict=True):
            found[label] |= mask
        assert found.keys() == expected.keys()
        for label, mask in expected.items():
            np.testing.assert_array_equal(found[label], mask)


def test_pictures_travel_to_other_processes(tmp_path: Path) -> None:
    for format in ("labelme", "supervisely", "cvat"):
        pictures = open_dataset(exported(tmp_path / format, format))
        again = pickle.loads(pickle.dumps(pictures))
        np.testing.assert_array_equal(again[1].masks, pictures[1].masks)


def test_check_tells_of_shapes_without_masks(tmp_path: Path) -> None:
    folder = exported(tmp_path, "labelme")
    record = json.loads((folder / "a.json").read_text())
    record["shapes"].append({"label": "road", "points": [[1, 1], [9, 9]], "shape_type": "line"})
    (folder / "a.json").write_text(json.dumps(record))
    (report,) = check_dataset(folder)
    assert (report.pictures, report.objects, report.count("empty")) == (2, 6, 1)
    assert "a line of 2 points, has no area" in report.findings[0].text


def test_missing_pictures_and_other_sizes_are_named(tmp_path: Path) -> None:
    folder = exported(tmp_path, "labelme")
    save(folder / "a.png", np.zeros((41, 60, 3), np.uint8))
    (folder / "b.png").unlink()
    pictures = open_label_folder(folder)
    assert pictures is not None
    with pytest.raises(SizeMismatchError, match=r"a\.json"):
        pictures[0]
    assert pictures.lacks(0) is None
    assert pictures.lacks(1) == folder / "b.png"


def test_the_folder_of_pictures_may_be_named(tmp_path: Path) -> None:
    folder = exported(tmp_path, "labelme")
    elsewhere = tmp_path / "photos"
    elsewhere.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).rename(elsewhere / name)
    assert len(open_dataset(folder, images=elsewhere)[0].masks) == 3


def test_other_folders_and_broken_files(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    assert open_label_folder(tmp_path) is None
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ConfigError, match=r"a\.json"):
        open_label_folder(tmp_path)
    (tmp_path / "cvat.xml").write_text("<html></html>")
    with pytest.raises(ConfigError, match="<annotations>"):
        open_dataset(tmp_path / "cvat.xml")


def _nothing() -> tuple[Picture, list[str]]:
    raise ImageError("not read")


def test_names_are_unique(tmp_path: Path) -> None:
    files = [LabelledFile("a", tmp_path / "a.png", (), _nothing)] * 3
    pictures = AnnotatedPictures("set", with_unique_names(files))
    assert pictures.names() == ["a", "a#2", "a#3"]
    assert pictures.file_name(2) == "a.png"
    assert pictures.source(0) == ""
