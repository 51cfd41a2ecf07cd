"""What a result writes is what it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from tests.inference.test_result import result

from samhq.formats.files import write_picture
from samhq.inference.prompt import Prompt
from samhq.storage import digest


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_one_candidate_a_prompt(tmp_path: Path) -> None:
    written = result().save(tmp_path / "new", "cat")
    assert names(written) == ["cat_mask_0.png", "cat_mask_1.png", "cat_overlay.jpg", "cat.json"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)


def test_several_candidates_a_prompt(tmp_path: Path) -> None:
    written = result(3).save(tmp_path, "cat", overlay=False, record=False)
    assert names(written) == [f"cat_mask_{p}_{k}.png" for p in range(2) for k in range(3)]


def test_only_what_is_asked_is_written(tmp_path: Path) -> None:
    written = result().save(tmp_path, "cat", masks=False, overlay=False, cutouts=True, record=False)
    assert names(written) == ["cat_cutout_0.png", "cat_cutout_1.png"]


def test_a_png_holds_its_mask(tmp_path: Path) -> None:
    three = result(3)
    flat = three.candidates.reshape(-1, *three.candidates.shape[2:])
    for path, mask in zip(three.save(tmp_path, overlay=False, record=False), flat, strict=True):
        with Image.open(path) as png:
            assert png.mode == "L"
            assert np.array_equal(np.asarray(png), np.where(mask, 255, 0))


def test_a_cutout_file_keeps_colours_and_alpha(tmp_path: Path) -> None:
    one = result()
    path = one.save(tmp_path, masks=False, overlay=False, cutouts=True, record=False)[0]
    with Image.open(path) as png:
        assert np.array_equal(np.asarray(png), one.cutout(0))


def test_the_overlay_is_near_to_what_the_result_shows(tmp_path: Path) -> None:
    one = result()
    path = one.save(tmp_path, masks=False, record=False)[0]
    with Image.open(path) as jpg:
        assert np.abs(np.asarray(jpg).astype(int) - one.overlay()).mean() < 8


def test_the_record_says_all_and_its_masks_decode(tmp_path: Path) -> None:
    rough = np.zeros((30, 50), bool)
    rough[3:9, 4:20] = True
    asked = (
        Prompt(points=np.array([[1.5, 2]]), labels=[0], mask=rough),
        Prompt(box=(1, 2, 3, 4), mask=np.zeros((16, 16), np.float32)),
    )
    three = result(3, asked)
    three.save(tmp_path, "cat", file_name="in/cat.jpg")
    record = json.loads((tmp_path / "cat.json").read_text())
    assert record["image"] == {"file_name": "in/cat.jpg", "height": 30, "width": 50}
    assert record["model"] == "test"
    mask = record["prompts"][0].pop("mask")
    assert np.array_equal(coco.decode(mask).astype(bool), rough)
    assert record["prompts"] == [{"points": [[1.5, 2.0]], "labels": [0]}, {"box": [1, 2, 3, 4], "mask": True}]
    for annotation in record["annotations"]:
        with Image.open(tmp_path / annotation["mask_file"]) as png:
            assert np.array_equal(np.asarray(png) > 0, coco.decode(annotation["segmentation"]).astype(bool))
    assert [a["id"] for a in record["annotations"]] == [1, 2, 3, 4, 5, 6]


def test_a_record_without_masks_names_no_files(tmp_path: Path) -> None:
    result().save(tmp_path, "cat", masks=False, overlay=False)
    record = json.loads((tmp_path / "cat.json").read_text())
    assert "file_name" not in record["image"]
    assert all("mask_file" not in annotation for annotation in record["annotations"])


def test_saving_again_replaces(tmp_path: Path) -> None:
    first = result().save(tmp_path)
    assert result().save(tmp_path) == first
    assert len(list(tmp_path.iterdir())) == len(first)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_picture(path, np.zeros((2, 2), np.complex64))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        result().save(tmp_path / "file")


def test_of_an_earlier_result_nothing_stays_but_what_others_wrote(tmp_path: Path) -> None:
    three, one = result(3), result()
    three.save(tmp_path, "cat", cutouts=True)
    three.save(tmp_path, "cat_2")
    beside = {path.name for path in tmp_path.glob("cat_2*")}
    for name in ("cat_mask_7.png", "cat_overlay.jpg.bak", "cat_mask_0_x.png"):
        (tmp_path / name).write_text("mine")
        beside.add(name)
    (tmp_path / "cat_mask_1_2.png").write_text("edited")
    written = one.save(tmp_path, "cat", overlay=False)
    assert {path.name for path in tmp_path.iterdir()} == {*names(written), *beside, "cat_mask_1_2.png"}
    assert (tmp_path / "cat_mask_1_2.png").read_text() == "edited"
    assert set(json.loads((tmp_path / "cat.json").read_text())["files"]) == {*names(written)} - {"cat.json"}


def test_files_of_the_same_result_add_up(tmp_path: Path) -> None:
    masks = result(3).save(tmp_path, "cat", overlay=False)
    more = result(3).save(tmp_path, "cat", masks=False, cutouts=True)
    assert {path.name for path in tmp_path.iterdir()} == {*names(masks), *names(more)}
    last = result().save(tmp_path, "cat")
    assert {path.name for path in tmp_path.iterdir()} == {*names(last)}


def test_without_a_record_nothing_is_removed(tmp_path: Path) -> None:
    before = result(3).save(tmp_path, "cat")
    after = result().save(tmp_path, "cat", record=False)
    assert {path.name for path in tmp_path.iterdir()} == {*names(before), *names(after)}


@pytest.mark.parametrize("name", ["../secret", "/secret", "secret", "cat/../../secret", "cat.json", ".."])
@pytest.mark.parametrize(
    "form", ["{}", "[]", "torn", '{"files": [1]}', '{"files": {"%s": 3}}', '{"files": {"%s": "%s"}}']
)
def test_an_earlier_record_of_any_form_harms_nothing(tmp_path: Path, name: str, form: str) -> None:
    folder, secret = tmp_path / "out", tmp_path / "secret"
    folder.mkdir()
    for path in (secret, folder / "secret"):
        path.write_text("mine")
    (folder / "cat.json").write_text(form.replace("%s", name, 1).replace("%s", digest.of_file(secret)))
    result().save(folder, "cat")
    assert secret.read_text() == (folder / "secret").read_text() == "mine"
