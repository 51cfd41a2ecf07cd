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
from samhq.text.detector import Example
from samhq.text.grounding_dino import GroundingDino
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


@pytest.fixture(scope="module")
def owl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text.save_owl(tmp_path_factory.mktemp("owl"))


def test_boxes_like_an_example(owl: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    like = ["--like", "5,5,30,30", "--like", "40,10,70,50", "--like-name", "mug", "--detector", owl]
    out = tmp_path / "out"
    assert run(photos, *like, "--like-in", photos / "a.png", "--threshold", "0", "-o", out) == 0
    examples = [Example(photos / "a.png", box, "mug") for box in ([5, 5, 30, 30], [40, 10, 70, 50])]
    search = Search.of(like=examples, detector=load_detector(owl, device="cpu"), threshold=0.0)
    boxes = read_boxes(out / "boxes.json")
    for name in ("a", "b"):
        (found,) = search.detect([read_image(photos / f"{name}.png")])
        kept = search.selection.apply(found)
        again = boxes.boxes_of(photos / f"{name}.png", (60, 80))
        assert len(kept) > 0
        assert set(again.labels) == {"mug"}
        assert again.boxes == pytest.approx(kept.boxes, abs=1e-3)
    assert run(photos / "a.png", *like, "--threshold", "0", "-o", tmp_path / "one") == 0, (
        "the only picture has the boxes"
    )
    content = json.loads((tmp_path / "one" / "a_boxes.json").read_text())
    assert content["annotations"] == json.loads((out / "a_boxes.json").read_text())["annotations"]


def test_an_example_is_resumed_by_what_it_shows(owl: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    example = tmp_path / "example.png"
    Image.fromarray(tiny_text.picture(60, 80, 7)).save(example)
    flags = ["--like", "5,5,30,30", "--like-in", example, "--detector", owl, "-o", tmp_path / "out", "--resume"]
    assert run(photos, *flags) == 0
    assert run(photos, *flags) == 0
    assert "2 finished before" in capsys.readouterr().err
    Image.fromarray(tiny_text.picture(60, 80, 8)).save(example)
    assert run(photos, *flags) == 0
    assert "2 done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--like", "5,5,30,30"], "--like-in"),
        (["--like", "5,5,30"], "Write --like 10,20,300,400"),
        (["--like", "5,5,30,30", "--text", "cup"], "got both"),
        (["--like-in", "a.png", "--text", "cup"], "Expected --like with"),
        (["--like", "5,5,30,30", "--like-in", "nobody.png"], "nobody.png"),
        (["--like", "500,500,900,900", "--like-in", "PICTURE"], "boxes"),
    ],
)
def test_wrong_examples(owl: Path, photos: Path, tmp_path: Path, flags: list[str], said: str, capsys: Shown) -> None:
    given = [str(photos / "a.png") if flag == "PICTURE" else flag for flag in flags]
    assert run(photos, *given, "--detector", owl, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_examples_need_a_detector_that_takes_them(detector: Path, photos: Path, tmp_path: Path, capsys: Shown) -> None:
    flags = ["--like", "5,5,30,30", "--like-in", photos / "a.png"]
    assert run(photos, *flags, "--detector", detector, "-o", tmp_path / "out") == 2
    assert "owlv2-base" in capsys.readouterr().err


def test_a_detector_from_a_folder_shows_no_bars(tmp_path: Path, photos: Path, capsys: Shown) -> None:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    fresh = tiny_text.save_dino(tmp_path / "fresh")
    capsys.readouterr()
    assert run(photos, "--text", TEXT, "--detector", fresh, "--quiet", "-o", tmp_path / "out") == 0
    assert capsys.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled() == shown


def test_pictures_are_searched_in_batches(
    detector: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        Image.fromarray(tiny_text.picture(60, 80, 10 + number)).save(photos / f"c{number}.png")
    flags = ["--text", TEXT, "--detector", detector]
    assert run(photos, *flags, "-o", tmp_path / "single") == 0
    sizes: list[int] = []
    real = GroundingDino._forward
    monkeypatch.setattr(
        GroundingDino, "_forward", lambda self, pixels, *more: sizes.append(len(pixels)) or real(self, pixels, *more)
    )
    assert run(photos, *flags, "--detector-batch", "2", "-o", tmp_path / "batches") == 0
    assert sizes == [2, 2, 1]
    together, single = (read_boxes(tmp_path / name / "boxes.json") for name in ("batches", "single"))
    for path in sorted(photos.iterdir()):
        one, other = together.boxes_of(path, (60, 80)), single.boxes_of(path, (60, 80))
        assert one.labels == other.labels
        assert one.boxes == pytest.approx(other.boxes, abs=1e-2)


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
    assert run(photos, *given, "-o", tmp_path / "out") == 2, "said once, not for every picture"
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
