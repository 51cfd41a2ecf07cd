"""Downloads in every format hold what was labelled."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.serve.served import API, CLICK, Client, photograph

from samhq.formats.write import FORMATS
from samhq.masks import rle
from samhq.serve.exports import write_training_data


@pytest.fixture
def labelled(client: Client) -> Client:
    cup = client.ask("POST", "/classes", {"name": "cup & <saucer>"})["id"]
    client.do(1, "commit", draft=CLICK)
    client.do(1, "commit", draft={"box": [5, 5, 50, 30]}, class_id=cup)
    client.do(2, "commit", draft=CLICK, class_id=cup)
    return client


def content(client: Client, path: str) -> bytes:
    answer = client.get(f"{API}/export/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    return answer.content


def test_coco_has_the_masks_and_classes(labelled: Client) -> None:
    found = json.loads(content(labelled, "coco"))
    names = {one["id"]: one["name"] for one in found["categories"]}
    assert [names[one["category_id"]] for one in found["annotations"]] == ["object", "cup & <saucer>", "cup & <saucer>"]
    objects = labelled.state(1)["objects"] + labelled.state(2)["objects"]
    assert [one["segmentation"] for one in found["annotations"]] == [one["mask"] for one in objects]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "geotiff"])
def test_every_format_is_written(labelled: Client, name: str) -> None:
    assert content(labelled, name)
    assert content(labelled, f"{name}?scope=image&image_id=2&shapes=polygon&tolerance=1")
    (row,) = labelled.session.project.rows("SELECT n_images, n_objects FROM export ORDER BY id LIMIT 1")
    assert tuple(row) == (2, 3)


def test_pictures_without_a_place_have_no_geotiff(labelled: Client) -> None:
    assert "labelmap" in labelled.fault("GET", "/export/geotiff")[2]


def test_several_files_are_a_zip(labelled: Client) -> None:
    with zipfile.ZipFile(io.BytesIO(content(labelled, "masks"))) as archive:
        assert sorted(archive.namelist()) == ["a_mask_0.png", "a_mask_1.png", "b_mask_0.png"]
        mask = np.asarray(Image.open(io.BytesIO(archive.read("a_mask_0.png")))) > 0
    assert np.array_equal(mask, rle.decode(labelled.state(1)["objects"][0]["mask"]))


def test_pictures_of_one_name_do_not_replace_each_other(labelled: Client, tmp_path: Path) -> None:
    photograph(tmp_path / "photos" / "sub" / "a.png", seed=5)
    (added,) = labelled.ask("POST", "/images/open", {"path": "sub/a.png"})["added"]
    labelled.do(added["id"], "commit", draft=CLICK)
    with zipfile.ZipFile(io.BytesIO(content(labelled, "labelmap"))) as archive:
        assert len(archive.namelist()) == 3


def test_skipped_pictures_are_left_out(labelled: Client) -> None:
    labelled.ask("PATCH", "/images/2", {"status": "skip"})
    assert len(json.loads(content(labelled, "coco"))["images"]) == 1


def test_what_cannot_be_exported(labelled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert labelled.fault("GET", "/export/coc")[:2] == (404, "not_found")
    assert labelled.fault("GET", "/export/coco?scope=image")[0] == 422
    assert labelled.fault("GET", "/export/coco?scope=image&image_id=9")[0] == 404
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert labelled.fault("GET", "/export/geotiff")[:2] == (501, "missing_extra")


def test_training_data_names_pictures_by_whole_paths(labelled: Client, tmp_path: Path) -> None:
    project, pictures = labelled.session.project, labelled.session.pictures
    classes = [known["id"] for known in project.classes()]
    write_training_data(project, pictures, tmp_path / "t.json", classes)
    found = json.loads((tmp_path / "t.json").read_text())
    assert (len(found["images"]), len(found["annotations"])) == project.labelled(classes) == (2, 3)
    assert [Path(one["file_name"]).is_file() for one in found["images"]] == [True, True]
    labelled.ask("PATCH", "/images/2", {"status": "skip"})
    write_training_data(project, pictures, tmp_path / "t.json", classes)
    assert len(json.loads((tmp_path / "t.json").read_text())["images"]) == 1
