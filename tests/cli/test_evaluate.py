"""`samhq evaluate` shows and writes what the functions give, for one model and for several."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny
from tests.datasets.layouts import annotation, coco, disc, pair
from tests.evaluation.suites.test_davis import davis  # noqa: F401
from tests.evaluation.suites.test_youtube_vis import truth as videos  # noqa: F401
from tests.text.tiny_detectors import save_dino

from samhq.checkpoint.save import save_model
from samhq.cli.evaluate import labels
from samhq.cli.main import main
from samhq.datasets.drawn.pictures import unseen_scenes
from samhq.datasets.open import open_dataset
from samhq.evaluation.run import evaluate
from samhq.evaluation.suites.detections import evaluate_detections

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    save_model(tiny.shared(tiny.HQ), folder / "tiny.safetensors")
    save_model(tiny.shared(tiny.PLAIN), folder / "plain.safetensors")
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    masks = [disc(), disc(centre=(12, 30), radius=5)]
    records = [annotation(number, 1, mask) for number, mask in enumerate(masks, 1)]
    return coco(tmp_path / "val.json", {"a.png": (40, 56), "b.png": (40, 56)}, records)


def run(weights: Path, *arguments: object, models: tuple[str, ...] = ("tiny",)) -> int:
    flags = [flag for name in models for flag in ("--model", str(weights / f"{name}.safetensors"))]
    return main(["evaluate", *map(str, arguments), *flags, "--device", "cpu"])


def test_the_table_and_the_files(weights: Path, truth: Path, tmp_path: Path, capsys: Shown) -> None:
    assert run(weights, truth, "--kinds", "box,1p", "-o", tmp_path / "out", "--worst", "1") == 0
    expected = evaluate(tiny.shared(tiny.HQ), open_dataset(truth), prompts="box,1p", name="tiny")
    assert capsys.readouterr().out == expected.table()
    with (tmp_path / "out" / "objects.csv").open(newline="") as stream:
        assert [float(row["iou"]) for row in csv.DictReader(stream)] == [row.iou for row in expected.rows]
    assert [path.name for path in (tmp_path / "out" / "worst").iterdir()] == ["01.jpg"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == [expected.to_json()]


def test_drawn_scenes(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    assert run(weights, "scenes:2@64", "--kinds", "box,1p", "-o", tmp_path / "out", "--worst", "1", "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)
    expected = evaluate(tiny.shared(tiny.HQ), unseen_scenes(2, 64), prompts="box,1p", name="tiny")
    assert record == expected.to_json()
    assert record["source"] == "2 unseen scenes of 64 pixels"
    with (tmp_path / "out" / "objects.csv").open(newline="") as stream:
        assert {row["category"] for row in csv.DictReader(stream)} <= {"object", "thin object"}
    assert run(weights, "scenes:none") == 2
    assert "scenes:COUNT" in capsys.readouterr().err


def test_json(weights: Path, truth: Path, capsys: Shown) -> None:
    assert run(weights, truth, "--hq", "off", "--hq", "only", "--protocol", "published", "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["protocol"] == "published"
    assert [summary["hq"] for summary in record["summaries"]] == ["off", "only"]


def test_two_models_side_by_side(weights: Path, truth: Path, tmp_path: Path, capsys: Shown) -> None:
    out = tmp_path / "out"
    assert run(weights, truth, "-o", out, models=("tiny", "plain")) == 0
    text = capsys.readouterr().out
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [["tiny", "box", "add"], ["plain", "box", "off"]]
    assert (out / "summary.md").read_text() == text
    assert (out / "tiny" / "objects.csv").is_file()
    assert (out / "plain" / "rows.jsonl").is_file()
    assert len(list((out / "worst").iterdir())) == 2


def test_a_run_goes_on(weights: Path, truth: Path, tmp_path: Path, capsys: Shown) -> None:
    (tmp_path / "b.png").rename(tmp_path / "kept.png")
    assert run(weights, truth, "-o", tmp_path / "out") == 2
    assert "b.png" in capsys.readouterr().err
    (tmp_path / "kept.png").rename(tmp_path / "b.png")
    assert run(weights, truth, "-o", tmp_path / "out", "--resume") == 0
    assert run(weights, truth, "-o", tmp_path / "out", "--resume", "--seed", "3") == 2
    assert "another seed" in capsys.readouterr().err


def test_folders_of_pairs(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    pair(tmp_path / "im", tmp_path / "gt", "a", disc())
    assert run(weights, tmp_path, "--limit", "1", "--kinds", "clicks") == 0
    assert "NoC@90" in capsys.readouterr().out


def test_ap(weights: Path, truth: Path, tmp_path: Path, capsys: Shown) -> None:
    assert run(weights, truth, "--detections", "truth", "-o", tmp_path / "out") == 0
    expected = evaluate_detections(tiny.shared(tiny.HQ), truth, name="tiny")
    assert capsys.readouterr().out == expected.table()
    assert len(json.loads((tmp_path / "out" / "tiny.results.json").read_text())) == 2
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [3, 3, 20, 20], "score": 0.3}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    assert run(weights, truth, "--detections", tmp_path / "boxes.json", "--json", "--hq", "only") == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["boxes"], record["hq"], record["detections"]) == ("boxes.json", "only", 1)


def test_seginw(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    path = tmp_path / "Discs" / "valid" / "_annotations_min1cat.coco.json"
    coco(path, {"a.png": (40, 56)}, [annotation(0, 1, disc())])
    assert run(weights, f"seginw:{tmp_path}") == 0
    assert "mean of 1" in capsys.readouterr().out


def test_seginw_with_a_detector(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    for name in ("Discs", "Bars"):
        path = tmp_path / "sets" / name / "valid" / "_annotations_min1cat.coco.json"
        coco(path, {"a.png": (40, 56), "b.png": (40, 56)}, [annotation(0, 1, disc())])
    detector, out = save_dino(tmp_path / "detector"), tmp_path / "out"
    assert run(weights, f"seginw:{tmp_path / 'sets'}", "--detector", detector, "-o", out) == 0
    table = capsys.readouterr().out
    assert "mean of 2" in table
    boxes = json.loads((out / "detections" / "Discs.json").read_text())
    masks = json.loads((out / "tiny" / "seginw-Discs_val.json").read_text())
    assert len(boxes) == len(masks) > 0
    assert [one["score"] for one in boxes] == [one["score"] for one in masks]
    assert run(weights, f"seginw:{tmp_path / 'sets'}", "--detections", out / "detections") == 0
    assert capsys.readouterr().out == table, "the kept boxes stand for the detector"


def test_a_coco_file_with_a_detector(weights: Path, truth: Path, tmp_path: Path, capsys: Shown) -> None:
    content = json.loads(truth.read_text())
    rows = [{"file_name": "b.png", "category": "disc", "bbox": [5, 5, 9, 9], "score": 0.1}]
    (tmp_path / "named.json").write_text(json.dumps(rows))
    assert run(weights, truth, "--detector", tmp_path / "named.json", "--json", "-o", tmp_path / "out") == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["boxes"], record["detections"]) == ("detections.json", 1)
    (box,) = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert (box["image_id"], box["bbox"]) == (content["images"][1]["id"], [5, 5, 9, 9])
    assert run(weights, truth, "--detector", tmp_path / "named.json") == 0


def test_davis(weights: Path, davis: Path, tmp_path: Path, capsys: Shown) -> None:  # noqa: F811
    assert run(weights, f"davis:{davis}", "-o", tmp_path / "out", models=("tiny", "plain")) == 0
    text = capsys.readouterr().out
    assert "J&F" in text
    assert (tmp_path / "out" / "summary.md").read_text() == text
    assert run(weights, f"davis:{davis}@2017/val") == 2
    assert "val.txt" in capsys.readouterr().err


def test_youtube_vis(weights: Path, videos: Path, tmp_path: Path, capsys: Shown) -> None:  # noqa: F811
    assert run(weights, f"ytvis:{videos}", "-o", tmp_path / "out") == 0
    assert "1 video, " in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "tiny.results.json").read_text())[0]["video_id"] == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["--kinds", "boxes"],
        ["--protocol", "paper"],
        ["--hq", "all"],
        ["--limit", "0"],
        ["--seed", "-1"],
        ["--resume"],
        ["--detections", "nowhere.json"],
        ["--detections", "truth", "--kinds", "1p"],
        ["--detections", "truth", "--hq", "add", "--hq", "off"],
        ["--detections", "truth", "--limit", "0"],
        ["--detector", "nobody"],
        ["--detector", "nobody", "--detections", "truth"],
        ["--images", "nowhere"],
        ["--worst=-1"],
        ["--click-mask", "best", "--detections", "truth"],
        ["--click-mask", "best", "--protocol", "published"],
        ["--kinds", "clicks", "--protocol", "published"],
    ],
)
def test_wrong_use(weights: Path, truth: Path, flags: list[str], capsys: Shown) -> None:
    assert run(weights, truth, *flags) == 2
    assert capsys.readouterr().err.startswith("samhq: ")


def test_an_hq_mask_of_a_plain_model_is_refused_before_the_first_picture(weights: Path, truth: Path) -> None:
    assert run(weights, truth, "--hq", "only", models=("tiny", "plain")) == 2


def test_models_have_names_of_their_own() -> None:
    assert labels(["a/m.pth", "b/m.pth", "folder/", "hub/name", None]) == ["a-m", "b-m", "folder", "name", "starter"]
    assert labels(["runs/a/best", "runs/b/best/"]) == ["a-best", "b-best"]
    assert labels(["m", "m", "m-2"]) == ["m", "m-3", "m-2"]


Names = st.lists(st.sampled_from([None, "m", "m-2", "m-3", "a/m.pth", "b/m.pth", "x/a/m", "a-m", "a-m-2", "starter"]))


@given(Names)
def test_models_never_share_a_name(names: list[str | None]) -> None:
    assert len(set(labels(names))) == len(names)


@pytest.mark.parametrize("kind", ["seginw", "davis"])
def test_a_folder_of_pictures_is_for_json_files(weights: Path, tmp_path: Path, kind: str, capsys: Shown) -> None:
    assert run(weights, f"{kind}:{tmp_path}", "--images", tmp_path) == 2
    assert "--images with a JSON file only" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_noticed_first(weights: Path, truth: Path, capsys: Shown) -> None:
    for path in truth.parent.glob("*.png"):
        path.unlink()  # nothing could be measured
    (truth.parent / "file").write_text("")
    assert run(weights, truth, "--detections", "truth", "--images", truth.parent, "-o", truth.parent / "file") == 1
    assert "file" in capsys.readouterr().err


def test_a_source_of_no_kind(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    for source in ("nowhere", "hqseg44k:val", f"seginw:{tmp_path}", f"davis:{tmp_path}", "ytvis:nowhere.json"):
        assert run(weights, source) == 2
        assert capsys.readouterr().err.count("\n") == 1
