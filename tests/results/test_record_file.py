"""A record lists the files of its result, so that the next result can replace them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.results.test_segmentation import result

from samhq.storage import digest


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


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
