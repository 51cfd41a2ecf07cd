"""`samhq train` takes a COCO file to a checkpoint that other commands take, and says what is wrong."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from tests import tiny
from tests.training.worlds import Held, saved

from samhq.cli.main import main
from samhq.cli.train import before_and_after
from samhq.training.run import Run

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures and their COCO file; one has no object, and one a crowd."""
    folder = tmp_path_factory.mktemp("coco")
    pictures, images, annotations = Held(4), [], []
    for number in range(4):
        sample = pictures[number]
        Image.fromarray(sample.image).save(folder / f"{number}.png")
        height, width = sample.image.shape[:2]
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for mask in sample.masks:
            packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            shape = {"size": list(mask.shape), "counts": packed["counts"].decode()}
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "segmentation": shape}
            annotations.append(row | {"iscrowd": int(number == 3 and len(annotations) % 2)})
    categories = [{"id": 1, "name": "thing"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "all.json").write_text(json.dumps(content))
    return folder / "all.json"


def train(coco: Path, out: Path, *arguments: str) -> int:
    quick = ["--batch", "2", "--workers", "0", "--no-tensorboard", "--device", "cpu", "--log-steps", "1"]
    return main(["train", "--data", str(coco), "--output", str(out), *quick, *arguments])


def test_a_coco_file_becomes_a_checkpoint_that_segments(coco: Path, tmp_path: Path, capsys: Shown) -> None:
    out, init = tmp_path / "run", saved(tiny.LIGHT, tmp_path)
    words = ["--init", init, "--mode", "hq", "--loss", "points:64"]
    assert train(coco, out, *words, "--epochs", "1", "--validation", str(coco)) == 0
    said = capsys.readouterr().out
    assert "images_s" in said
    assert "box boundary_iou" in said
    about = json.loads((out / "best.json").read_text())
    assert about["config"]["mode"] == "hq"
    assert about["config"]["weights"]["points"] == 64
    picture = str(coco.parent / "0.png")
    box = ["--box", "1,1,30,30", "--model", str(out / "best.safetensors")]
    assert main(["segment", picture, *box, "--output", str(tmp_path / "masks")]) == 0
    assert train(coco, out, *words, "--epochs", "2", "--resume") == 0


def test_stopped_before_the_first_step_it_says_so_and_names_a_file_that_is_there(
    coco: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.training.run.Run.stopped", lambda run, stop: True)
    assert train(coco, tmp_path / "run", "--init", saved(tiny.LIGHT, tmp_path)) == 0
    path, _, said = capsys.readouterr().out.splitlines()[-1].partition(": ")
    assert "before the first step" in said
    assert Path(path).is_file()


def test_numbers_stand_below_each_other_however_long_the_names_are() -> None:
    scores = {"1p iou": 0.25, "box off boundary_iou": 0.5}
    assert len({len(line) for line in before_and_after(scores, scores)}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--what", "everything"], "what"),
        (["--kinds", "boxes"], "box"),
        (["--loss", "dise:2"], "dice"),
        (["--epochs", "0"], "epochs"),
        (["--mode", "hq", "--init", "nothing.safetensors"], "nothing.safetensors"),
        (["--cache", "features", "--what", "all"], "frozen"),
        (["--images", "nowhere"], "nowhere"),
        (["--scale", "half,1.5"], "--scale 0.5,1.5"),
        (["--scale", "1.5,0.5"], "scale"),
        (["--arch", "sam_hq_vit_b"], "--init"),
        (["--mode", "hq", "--what", "all"], "finetune"),
        (["--fresh-heads"], "hq"),
        (["--stages", "96:3:2"], "batch=2"),
    ],
)
def test_wrong_use_is_one_sentence_and_code_2(
    coco: Path, tmp_path: Path, capsys: Shown, arguments: list[str], said: str
) -> None:
    out = tmp_path / "run"
    init = [] if "--init" in arguments else ["--init", saved(tiny.LIGHT, tmp_path)]
    assert train(coco, out, *init, *arguments) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert not out.exists()


def test_flags_left_out_are_no_mistake_where_pydantic_is_imported(tmp_path: Path, capsys: Shown) -> None:
    import pydantic  # noqa: F401  # Cyclopts then checks defaults with it, and many defaults are None.

    assert main(["train", "--data", str(tmp_path / "nowhere.json"), "--output", str(tmp_path / "run")]) == 2
    assert "nowhere.json" in capsys.readouterr().err


def test_a_run_that_was_stopped_says_how_to_go_on(
    coco: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "stopped", lambda run, stop: run.step == 1)
    words = ["--init", saved(tiny.LIGHT, tmp_path), "--mode", "hq", "--loss", "points:64", "--epochs", "1"]
    assert train(coco, tmp_path / "run", *words) == 0
    assert "Stopped after 50% of the plan. The same command with --resume goes on." in capsys.readouterr().out
    monkeypatch.undo()
    assert train(coco, tmp_path / "run", *words, "--resume") == 0
    assert "Stopped" not in capsys.readouterr().out


def test_a_better_run_says_how_to_see_the_difference(
    coco: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_scores", lambda run, sam: {"box boundary_iou": 0.1 + 0.1 * run.step})
    words = ["--init", saved(tiny.LIGHT, tmp_path), "--mode", "hq", "--loss", "points:64", "--epochs", "1"]
    assert (
        train(coco, tmp_path / "run", *words, "--validation", str(coco), "--validation-images", str(coco.parent)) == 0
    )
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Tables and pictures")]
    command = shlex.split(line.partition(": ")[2])
    assert main([*command[1:], "--worst", "1"]) == 0
    assert (tmp_path / "run" / "report" / "worst" / "01.jpg").is_file()
