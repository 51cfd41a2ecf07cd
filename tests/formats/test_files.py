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
