from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from samhq.cli import write as module
from samhq.cli.main import main
from samhq.formats.options import WriteOptions
from samhq.formats.write import FORMATS
from samhq.masks import rle
from samhq.masks.finish import Finish


@pytest.fixture
def results(tmp_path):
    """A folder as `samhq segment` leaves it: two pictures with a mask each, and one that failed."""
    folder = tmp_path / "results"
    folder.mkdir()
    for number, name in enumerate(("a", "b")):
        mask = np.zeros((20, 30), bool)
        mask[4 : 12 + number, 5:15] = True
        mask[6, 7] = False
        Image.fromarray(np.full((20, 30, 3), 100, np.uint8)).save(folder / f"{name}.png")
        annotation = {"id": 1, "prompt": 0, "candidate": 0, "segmentation": rle.encode(mask), "predicted_iou": 0.9}
        image = {"height": 20, "width": 30, "file_name": f"{name}.png"}
        (folder / f"{name}.json").write_text(json.dumps({"image": image, "annotations": [annotation]}))
    (folder / "c.json").write_text(json.dumps({"image": {"file_name": "c.png"}, "error": "no picture"}))
    return folder


def test_results_become_a_coco_dataset_that_its_owner_reads(results, tmp_path, capsys):
    assert main(["write", str(results), "--format", "coco", "--format", "yolo", "-o", str(tmp_path / "out")]) == 0
    assert (
        capsys.readouterr().out == f"2 masks of 2 pictures, 1 failed picture left out; results in {tmp_path / 'out'}\n"
    )
    found = [path for path in (tmp_path / "out").rglob("*.json") if "annotations" in json.loads(path.read_text())]
    coco = COCO(str(found[0]))
    areas = sorted(coco.annToMask(one).sum() for one in coco.loadAnns(coco.getAnnIds()))
    assert areas == [79, 89]
    assert list((tmp_path / "out").rglob("*.txt"))


def test_pictures_that_are_not_found_are_named_and_their_folder_may_be_given(results, tmp_path, capsys):
    moved = tmp_path / "moved" / "deeper"
    moved.mkdir(parents=True)
    (results / "b.png").rename(moved / "b.png")
    command = ["write", str(results), "--format", "yolo", "-o", str(tmp_path / "out")]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "no file for 1 of 2 (b.png), which these formats need: yolo. Run" in said
    assert "--images FOLDER" in said
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["a.png"]
    for folder in (moved, moved.parent):
        content = json.loads((results / "b.json").read_text())
        content["image"]["file_name"] = "deeper/b.png"
        (results / "b.json").write_text(json.dumps(content))
        assert main([*command, "--images", str(folder)]) == 0
        assert capsys.readouterr().err == ""
        assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["a.png", "b.png"]
        (tmp_path / "out" / "yolo" / "images" / "b.png").unlink()
    assert main(["write", str(results), "--format", "cutouts", "-o", str(tmp_path / "out")]) == 2
    assert "--images FOLDER" in capsys.readouterr().err
    assert main([*command, "--images", str(tmp_path / "none")]) == 2
    assert "none, which does not exist" in capsys.readouterr().err


def test_each_record_is_read_once(results, tmp_path, monkeypatch):
    read, taken = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: taken.append(path.name) or read(path))
    assert main(["write", str(results), "--format", "coco", "-o", str(tmp_path / "out")]) == 0
    assert sorted(name for name in taken if name.endswith(".json")) == ["a.json", "b.json", "c.json"]


def test_of_several_candidates_the_best_is_written(results, tmp_path, capsys):
    content = json.loads((results / "a.json").read_text())
    first = content["annotations"][0]
    content["annotations"] = [first | {"prompt": p, "candidate": c} for p in range(2) for c in range(3)]
    (results / "a.json").write_text(json.dumps(content))
    assert main(["write", str(results / "a.json"), "--format", "coco", "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"2 masks of 1 picture; results in {tmp_path / 'out'}\n"


def test_records_of_one_name_are_refused_before_anything_is_written(results, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.json").write_bytes((results / "b.json").read_bytes())
    assert main(["write", str(results), str(other), "--format", "masks", "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert str(results / "b.json") in said
    assert str(other / "b.json") in said
    assert not (tmp_path / "out").exists()


def test_masks_are_finished_first(results, tmp_path):
    out = tmp_path / "out"
    assert main(["write", str(results / "a.json"), "--format", "masks", "--fill-holes", "4", "-o", str(out)]) == 0
    assert (np.asarray(Image.open(out / "a_mask_0.png")) > 0).sum() == 80


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"geotiff"}))
def test_every_format_can_be_asked_for(results, tmp_path, name):
    assert main(["write", str(results), "--format", name, "-o", str(tmp_path / name)]) == 0
    assert any(path.is_file() for path in (tmp_path / name).rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--format", "coco"], "does not exist"),
        ([".", "--format", "coko"], "'coco'"),
        ([".", "--format", "coco", "--tolerance", "x"], "tolerance"),
        ([".", "--format", "masks", "--fill-holes", "-1"], "fill_holes"),
    ],
)
def test_wrong_use_is_said(results, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(results)
    assert main(["write", *arguments, "-o", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_records_and_a_foreign_file_are_said(tmp_path, capsys):
    assert main(["write", str(tmp_path), "--format", "coco", "-o", str(tmp_path / "out")]) == 2
    assert "got none" in capsys.readouterr().err
    (tmp_path / "list.json").write_text("[1]")
    assert main(["write", str(tmp_path), "--format", "coco", "-o", str(tmp_path / "out")]) == 2
    assert "a list" in capsys.readouterr().err


def test_flags_are_the_writers_options():
    assert module.WriteFlags().options(module.FinishFlags()) == WriteOptions()
    changed = module.WriteFlags(tolerance=1.5, labels=("cat",)).options(module.FinishFlags(smooth=2.0))
    assert changed == WriteOptions(tolerance=1.5, labels=("cat",), finish=Finish(smooth=2.0))
