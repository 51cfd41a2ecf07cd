"""`samhq track`: flags to prompts, exit codes, and results as the library writes them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests import tiny
from tests.text.tiny_detectors import coco_boxes, save_owl
from tests.video import small

from samhq.checkpoint import load
from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.video.film import write_film, write_timed_film
from samhq.video.frames import open_frames

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the small video model: what is in it is not looked at."""
    path = tmp_path / "small.pt"
    path.write_bytes(b"weights")
    monkeypatch.setattr(load, "load_model", lambda *_, **__: small.shared())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_film(tmp_path / "clip.mp4", small.images(8, 48, 64), 10)


def run(*arguments: object) -> int:
    return main(["track", *map(str, arguments), "--device", "cpu"])


def test_a_video_is_tracked(tmp_path: Path, clip: Path, weights: Path, capsys: Shown) -> None:
    out = tmp_path / "out"
    code = run(clip, "--box", "5,12,17,24", "--box", "30,10,50,40", "--frame", 2, "--model", weights, "-o", out)
    assert code == 0
    assert "6 done; results in" in capsys.readouterr().out
    assert len(list(out.glob("masks/1/*.png"))) == len(list(out.glob("masks/2/*.png"))) == 6
    assert {path.name for path in out.iterdir()} == {
        "masks",
        "labels",
        "frames.jsonl",
        "track.json",
        "state.pt",
        "coco-vid.json",
        "overlay.mp4",
    }


def test_the_overlay_keeps_the_times_of_the_video(tmp_path: Path, weights: Path) -> None:
    times = [Fraction(n, 10) for n in (0, 1, 9, 10, 30, 31)]
    timed = zip(times, small.images(6, 48, 64), strict=True)
    clip = write_timed_film(tmp_path / "clip.mp4", timed, 10, evenly_spaced=False)
    assert run(clip, "--box", "5,12,17,24", "--frame", 1, "--model", weights, "-o", tmp_path / "out") == 0
    film = open_frames(tmp_path / "out" / "overlay.mp4")
    assert [film.time(index) for index in range(len(film))] == [seconds - times[1] for seconds in times[1:]]


def test_what_is_written_can_be_chosen(tmp_path: Path, clip: Path, weights: Path) -> None:
    out = tmp_path / "out"
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps([{"object": 7, "frame": 3, "box": [5, 12, 17, 24], "label": "square"}]))
    flags = ["--no-masks", "--no-label-maps", "--no-overlay", "--format", "youtube-vis", "--direction", "both"]
    assert run(clip, "--prompts", prompts, *flags, "--model", weights, "-o", out) == 0
    assert {path.name for path in out.iterdir()} == {"frames.jsonl", "track.json", "state.pt", "youtube-vis.json"}
    content = json.loads((out / "youtube-vis.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "square"}]
    assert (out / "frames.jsonl").read_text().count("\n") == 8


def test_a_finished_run_is_not_done_again(tmp_path: Path, clip: Path, weights: Path, capsys: Shown) -> None:
    command = [clip, "--point", "11,18", "-m", weights, "-o", tmp_path / "out"]
    assert run(*command) == 0
    assert run(*command, "--resume") == 0
    assert "8 finished before" in capsys.readouterr().out
    assert run(clip, "--point", "12,18", "--model", weights, "-o", tmp_path / "out", "--resume") == 2
    assert "options of the run" in capsys.readouterr().err


def test_results_may_be_written_beside_the_pictures(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for t in range(3):
        Image.fromarray(small.image(t)).save(folder / f"{t}.png")
    monkeypatch.chdir(folder)
    command = [".", "--box", "5,12,17,24", "--model", weights, "--output", ".", "--no-overlay"]
    assert run(*command) == 0
    assert json.loads((folder / "track.json").read_text())["video"]["name"] == "walk"
    assert run(*command, "--resume") == 0
    assert "3 finished before" in capsys.readouterr().out


def test_a_damaged_frame_is_named_and_the_rest_done(tmp_path: Path, weights: Path, capsys: Shown) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for t, image in enumerate(small.images(4)):
        Image.fromarray(image).save(folder / f"{t}.png")
    (folder / "2.png").write_bytes(b"damaged")
    assert run(folder, "--point", "11,18", "--model", weights, "-o", tmp_path / "out") == 1
    shown = capsys.readouterr()
    assert "frame 2, 2.png" in shown.err
    assert "3 done, 1 failed" in shown.out


def test_frames_of_another_size_are_a_sentence(tmp_path: Path, weights: Path, capsys: Shown) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for t, height in enumerate((40, 40, 44)):
        Image.fromarray(small.image(t, height)).save(folder / f"{t}.png")
    assert run(folder, "--point", "11,18", "--model", weights, "-o", tmp_path / "out") == 2
    assert "44 x 60 at frame 2" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("masks/1/*.png"))) == 2


def test_boxes_of_each_frame_go_to_any_model(tmp_path: Path, clip: Path) -> None:
    save_model(tiny.shared(tiny.HQ), tmp_path / "tiny.safetensors")
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("".join(f"{t + 1},4,{5 + t},12,13,13,1\n" for t in range(8)))
    model = ["--model", tmp_path / "tiny.safetensors"]
    assert run(clip, "--boxes", boxes, *model, "-o", tmp_path / "out") == 0
    assert len(list((tmp_path / "out").glob("masks/4/*.png"))) == 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "got 0 of these"),
        (["--point", "1,1", "--boxes", "b.txt"], "got 2 of these"),
        (["--box", "1,1,5,5", "--box", "1,1,5,5", "--point", "1,1"], "one --box beside"),
        (["--point", "1,1", "--frame", "8", "--model", "WEIGHTS"], "from 0 to 7"),
        (["--point", "99,1", "--model", "WEIGHTS"], "Object 1 on frame 0"),
        (["--boxes", "none.txt"], "Expected prompts at none.txt, which cannot be read"),
        (["--mask", "none.png"], "Expected prompts at none.png, which cannot be read"),
    ],
)
def test_wrong_use_is_a_sentence(
    tmp_path: Path, clip: Path, weights: Path, capsys: Shown, flags: list[Any], message: str
) -> None:
    flags = [weights if flag == "WEIGHTS" else flag for flag in flags]
    assert run(clip, *flags, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("name", "message"), [("none.mp4", "not there"), ("empty", "pictures in"), ("text.mp4", "decoded")]
)
def test_what_is_no_video_is_a_sentence(tmp_path: Path, capsys: Shown, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    assert run(tmp_path / name, "--point", "1,1", "--model", "x", "-o", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def found(folder: Path) -> Path:
    """Boxes in the pictures of a clip, by file name: a square on the first, another from the fifth on."""
    first = [("square", [5, 12, 12, 12], 0.75)]
    rows = {f"{t:03}.png": first if t < 4 else [*first, ("disc", [40, 30, 12, 12], 0.5)] for t in range(8)}
    return coco_boxes(folder / "boxes.json", rows)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for t, image in enumerate(small.images(8, 48, 64)):
        Image.fromarray(image).save(folder / f"{t:03}.png")
    return folder


def test_objects_found_by_name_are_tracked(tmp_path: Path, pictures: Path, weights: Path) -> None:
    flags = ["--text", "square, disc", "--detector", found(tmp_path), "--model", weights, "--no-overlay"]
    assert run(pictures, *flags, "-o", tmp_path / "once") == 0
    content = json.loads((tmp_path / "once" / "coco-vid.json").read_text())
    assert [category["name"] for category in content["categories"]] == ["square"]
    assert run(pictures, *flags, "--frame", 5, "-o", tmp_path / "later") == 0
    content = json.loads((tmp_path / "later" / "coco-vid.json").read_text())
    assert sorted(category["name"] for category in content["categories"]) == ["disc", "square"]
    assert run(pictures, *flags, "--every", 4, "-o", tmp_path / "again") == 0
    content = json.loads((tmp_path / "again" / "coco-vid.json").read_text())
    assert "disc" in [category["name"] for category in content["categories"]]
    assert run(pictures, *flags, "--every", 3, "-o", tmp_path / "again", "--resume") == 2


def test_objects_like_an_example_are_tracked(tmp_path: Path, pictures: Path, weights: Path) -> None:
    owl = save_owl(tmp_path / "owl")
    flags = ["--like", "5,12,17,24", "--like-name", "square", "--detector", owl, "--threshold", "0"]
    more = ["--max-detections", "1", "--model", weights, "--no-overlay"]
    assert run(pictures, *flags, *more, "-o", tmp_path / "frame") == 0
    content = json.loads((tmp_path / "frame" / "coco-vid.json").read_text())
    assert [category["name"] for category in content["categories"]] == ["square"]
    assert run(pictures, *flags, *more, "--like-in", pictures / "000.png", "-o", tmp_path / "picture") == 0
    again = json.loads((tmp_path / "picture" / "coco-vid.json").read_text())
    assert again["annotations"] == content["annotations"], "the first frame is the default"


@pytest.mark.parametrize(
    "flags",
    [
        ["--like", "1,1,9,9", "--box", "1,1,9,9"],
        ["--like", "1,1,9,9", "--like-in", "nobody.png"],
        ["--text", "square", "--box", "1,1,9,9"],
        ["--text", "square, Square"],
        ["--text", "square", "--direction", "both"],
        ["--text", "square", "--every", "0"],
        ["--box", "1,1,9,9", "--every", "2"],
        ["--box", "1,1,9,9", "--nms", "0.5"],
    ],
)
def test_what_does_not_go_with_a_search(
    tmp_path: Path, pictures: Path, weights: Path, flags: list[str], capsys: Shown
) -> None:
    detector = ["--detector", found(tmp_path)] if "--text" in flags else []
    assert run(pictures, *flags, *detector, "--model", weights, "-o", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith("samhq: ")
