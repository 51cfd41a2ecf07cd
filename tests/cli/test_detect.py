"""`samhq detect` writes the boxes that the library finds, picture by picture and all together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.text import tiny_detectors as tiny_text

from samhq.cli.main import main
from samhq.image.read import read_image
from samhq.text.boxfile import read_boxes
from samhq.text.load import load_detector
from samhq.text.search import Search

Shown = pytest.CaptureFixture[str]
TEXT = "a cat, red car"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text.save_dino(tmp_path_factory.mktemp("detector"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(tiny_text.picture(60, 80, number)).save(folder / name)
    return folder


def run(*arguments: object) -> int:
    return main(["detect", *map(str, arguments), "--device", "cpu"])


def test_boxes_are_those_of_the_library(detector: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    out = tmp_path / "out"
    assert run(photos, "--text", TEXT, "--detector", detector, "--nms", "1", "-o", out) == 0
    lines = capsys.readouterr().out.splitlines()
    search = Search.of(TEXT, detector=load_detector(detector, device="cpu"), nms=1.0)
    boxes = read_boxes(out / "boxes.json")
    for name, line in zip(("a", "b"), lines, strict=True):
        path = photos / f"{name}.png"
        (found,) = search.detect([read_image(path)])
        kept = search.selection.apply(found)
        again = boxes.boxes_of(path, (60, 80))
        assert len(kept) > 0
        assert again.labels == kept.labels
        assert again.boxes == pytest.approx(kept.boxes, abs=1e-3)
        assert again.scores == pytest.approx(kept.scores)
        assert f"{kept.labels.count('a cat')} a cat" in line
    content = json.loads((out / "boxes.json").read_text())
    assert [image["id"] for image in content["images"]] == [1, 2]
    assert [one["id"] for one in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    assert [category["name"] for category in content["categories"]] == ["a cat", "red car"]


def test_nothing_found_is_no_failure(detector: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    out = tmp_path / "out"
    assert run(photos / "a.png", "--text", TEXT, "--detector", detector, "--threshold", "1", "-o", out) == 0
    assert "nothing found (closest: " in capsys.readouterr().out
    content = json.loads((out / "boxes.json").read_text())
    assert (len(content["images"]), content["annotations"]) == (1, [])


def test_resume_searches_only_what_is_left(detector: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    out = tmp_path / "out"
    flags = ["--text", TEXT, "--detector", detector, "-o", out]
    assert run(photos / "a.png", *flags) == 0
    assert run(photos, *flags, "--resume") == 0
    assert "1 done, 1 finished before" in capsys.readouterr().err
    assert len(json.loads((out / "boxes.json").read_text())["images"]) == 2
    assert run(photos, *flags, "--resume", "--threshold", "0.6") == 0
    assert "2 done" in capsys.readouterr().err, "other rules, other boxes"


def test_a_picture_that_fails_leaves_no_old_boxes(detector: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ["--text", TEXT, "--detector", detector, "-o", out]
    assert run(photos, *flags) == 0
    (photos / "a.png").write_bytes(b"no picture")
    assert run(photos, *flags) == 1
    assert [Path(one["file_name"]).name for one in json.loads((out / "boxes.json").read_text())["images"]] == ["b.png"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--text", ""],
        ["--text", "cat, Cat"],
        ["--text", "cat", "--threshold", "2"],
        ["--text", "cat", "--threshold", "dog=0.5"],
        ["--text", "cat", "--nms", "3"],
        ["--text", "cat", "--max-detections", "0"],
        ["--text", "cat", "--detector", "nobody"],
        ["--text", "cat " * 40],
        [],
    ],
)
def test_wrong_use(detector: Path, photos: Path, tmp_path: Path, flags: list[str], capsys: Shown) -> None:
    given = flags if "--detector" in flags else [*flags, "--detector", str(detector)]
    assert run(photos / "a.png", *given, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("samhq: ")]) == 1
    assert not any("Traceback" in line for line in said)


def test_a_file_of_boxes_is_cut_to_what_counts(photos: Path, tmp_path: Path) -> None:
    rows = {"a.png": [("cup", [1, 2, 30, 40], 0.5), ("cup", [2, 3, 30, 40], 0.1), ("fork", [1, 2, 3, 4], 0.9)]}
    boxes = tiny_text.coco_boxes(tmp_path / "in.json", rows | {"b.png": []})
    assert run(photos, "--text", "cup", "--detector", boxes, "-o", tmp_path / "out") == 0
    kept = read_boxes(tmp_path / "out" / "boxes.json").boxes_of("a.png", (60, 80))
    assert np.array_equal(kept.boxes, [[1, 2, 31, 42]])


def test_pictures_of_one_name_in_separate_runs_keep_their_boxes(
    detector: Path, photos: Path, tmp_path: Path, capsys: Shown
) -> None:
    out, other = tmp_path / "out", tmp_path / "deep" / "photos"
    other.mkdir(parents=True)
    Image.fromarray(tiny_text.picture(50, 40, 5)).save(other / "a.png")
    flags = ["--text", TEXT, "--detector", detector, "-o", out]
    assert run(photos / "a.png", *flags) == 0
    assert run(other.parent, *flags, "--recursive", "--quiet") == 0
    sizes = [json.loads((out / f"{name}_boxes.json").read_text())["images"][0]["height"] for name in ("a", "a_2")]
    assert sizes == [60, 50]
    assert len(capsys.readouterr().out.splitlines()) == 1, "the second run was quiet"
