"""A job of many pictures keeps going, may be stopped and killed, and is resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests import tiny
from tests.cli.segmenting import Shown, drawn, files_in, mask_files, record, run
from tests.inference.test_segment import ROUGH

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.inference.segment import Segmenter


def test_an_unreadable_picture_among_many_becomes_a_record(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    drawn(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    (tmp_path / "in" / "c.png").write_bytes((tmp_path / "in" / "a.png").read_bytes()[:200])
    drawn(tmp_path / "in" / "d.png")
    assert run(weights, tmp_path / "out", tmp_path / "in", tmp_path / "missing.png", "--point", "20,15") == 1
    shown = capsys.readouterr()
    assert [line.split(": ")[0] for line in shown.out.splitlines()] == [
        str(tmp_path / f"in/{name}.png") for name in "ad"
    ]
    for name in ("b", "c", "missing"):
        failed = record(tmp_path / "out", name)
        assert failed["error"] in shown.err
        assert failed["image"]["file_name"].endswith(f"{name}.png")
    assert "\r" not in shown.err, "a file gets no bar"
    assert shown.err.count("\n") == 4, "one line for each failure, and the counts"
    assert "Traceback" not in shown.err


def test_fewer_objects_leave_no_masks_of_an_earlier_run(weights: Path, cat: Path, tmp_path: Path) -> None:
    out, boxes = tmp_path / "out", ("--box", "5,5,50,30", "--box", "1,1,9,9", "--box", "9,9,30,30")
    drawn(tmp_path / "in" / "dog.png")
    assert run(weights, out, tmp_path / "in", *boxes, "--cutout") == 0
    assert run(weights, out, tmp_path / "in", "--point", "500,3") == 1
    assert len(mask_files(out, "cat_mask_*.png")) == 3, "what fails takes nothing away"
    assert run(weights, out, cat, "--box", "5,5,50,30") == 0
    assert {path.name for path in out.glob("cat*")} == {"cat.json", "cat_mask_0.png", "cat_overlay.jpg"}
    assert len(mask_files(out, "dog_mask_*.png")) == 3


def test_a_point_outside_some_pictures_is_their_failure(weights: Path, tmp_path: Path) -> None:
    drawn(tmp_path / "in" / "large.png")
    drawn(tmp_path / "in" / "small.png", 20, 20)
    assert run(weights, tmp_path / "out", tmp_path / "in", "--point", "50,30") == 1
    assert "annotations" in record(tmp_path / "out", "large")
    assert "error" in record(tmp_path / "out", "small")
    assert run(weights, tmp_path / "out", tmp_path / "in", "--point", "500,300") == 1
    assert "error" in record(tmp_path / "out", "large")


def test_pictures_of_one_name_do_not_overwrite_each_other(weights: Path, tmp_path: Path) -> None:
    pictures = [drawn(tmp_path / name) for name in ("x/cat.png", "y/cat.png", "y/cat.bmp", "y/dog.png")]
    assert run(weights, tmp_path / "out", *pictures, "--point", "20,15") == 0
    names = {path.stem for path in (tmp_path / "out").glob("*.json")}
    assert names == {"x_cat_png", "y_cat_png", "cat_bmp", "dog"}


def test_an_interrupted_run_keeps_what_it_wrote(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    for name in ("a", "b", "c"):
        drawn(tmp_path / "in" / f"{name}.png")
    segment = Segmenter.segment

    def interrupted(self: Segmenter, image: Path, **asked: Any) -> Any:
        if Path(image).name == "b.png":
            raise KeyboardInterrupt
        return segment(self, image, **asked)

    monkeypatch.setattr(Segmenter, "segment", interrupted)
    assert run(weights, tmp_path / "out", tmp_path / "in", "--point", "20,15") == 130
    written = {"a_mask_0.png", "a_overlay.jpg", "a.json", "manifest.jsonl"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    assert "Traceback" not in capsys.readouterr().err


def test_resuming_does_what_is_left(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    for name in ("a", "b", "c"):
        drawn(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "p.json").write_text(json.dumps({f"{n}.png": [{"box": [5, 5, 50, 30]}] for n in ("a", "b", "c")}))
    asked = [tmp_path / "in", "--prompts", tmp_path / "p.json", "--resume"]
    out = tmp_path / "out"

    said: list[str] = []

    def done() -> list[str]:
        captured = capsys.readouterr()
        said[:] = captured.err.splitlines()[-1:]
        return [Path(line.split(": ")[0]).stem for line in captured.out.splitlines()]

    assert run(weights, out, *asked) == 1
    assert done() == ["a", "b", "c"]
    assert said == [f"samhq: 3 done, 1 failed; results in {out}"]
    whole = files_in(out)
    assert run(weights, out, *asked) == 1, "the broken picture is tried again"
    assert done() == []
    (out / "b_mask_0.png").write_bytes(whole["b_mask_0.png"][:50])
    assert run(weights, out, *asked) == 1
    assert done() == ["b"]
    assert said == [f"samhq: 1 done, 2 finished before, 1 failed; results in {out}"]
    assert files_in(out) == whole
    boxes = {"a.png": [{"box": [5, 5, 50, 30]}], "b.png": [{"box": [5, 5, 50, 30]}], "c.png": [{"box": [1, 1, 9, 9]}]}
    (tmp_path / "p.json").write_text(json.dumps(boxes))
    assert run(weights, out, *asked) == 1
    assert done() == ["c"], "only its prompts changed"
    assert run(weights, out, *asked, "--no-overlay") == 1
    assert done() == ["a", "b", "c"]
    other = tmp_path / "other.safetensors"
    save_model(tiny.model(tiny.HQ, salt=1), other)
    assert run(other, out, *asked, "--no-overlay") == 1
    assert done() == ["a", "b", "c"]


def test_a_mask_prompt_is_known_by_its_content(weights: Path, cat: Path, tmp_path: Path, capsys: Shown) -> None:
    for expected, mask in ((1, ROUGH), (0, ROUGH), (1, ~ROUGH)):
        Image.fromarray(mask).save(tmp_path / "rough.png")
        assert run(weights, tmp_path / "out", cat, "--mask", tmp_path / "rough.png", "--resume") == 0
        assert len(capsys.readouterr().out.splitlines()) == expected


def test_a_single_picture_keeps_no_manifest_unless_resumed(weights: Path, cat: Path, tmp_path: Path) -> None:
    assert run(weights, tmp_path / "out", cat, "--point", "20,15") == 0
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    assert run(weights, tmp_path / "out", cat, "--point", "20,15", "--resume") == 0
    assert (tmp_path / "out" / "manifest.jsonl").exists()
    cat.write_bytes(b"no picture")
    assert run(weights, tmp_path / "out", cat, "--point", "20,15", "--resume") == 2


def test_workers_write_the_same(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    for i in range(3):
        drawn(tmp_path / "in" / f"{i}.png", 40 + i, 60)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    asked = (tmp_path / "in", "--point", "20,15")
    assert run(weights, tmp_path / "here", *asked) == 1
    capsys.readouterr()
    assert run(weights, tmp_path / "there", *asked, "--workers", "2") == 1
    assert files_in(tmp_path / "here") == files_in(tmp_path / "there")
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    assert "broken.png" in shown.err
    assert run(weights, tmp_path / "there", *asked, "--workers", "-1") == 2


def test_killed_in_the_middle_and_resumed(weights: Path, tmp_path: Path) -> None:
    for i in range(12):
        drawn(tmp_path / "in" / f"{i:02}.png", 40 + i, 60)
    asked = (tmp_path / "in", "--point", "20,15", "--resume")
    assert run(weights, tmp_path / "whole", *asked) == 0
    out = tmp_path / "killed"
    words = [str(word) for word in (*asked, "--model", weights, "--device", "cpu", "--output", out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-m", "samhq", "segment", *words], env=environment) as process:
        while process.poll() is None and len(list(out.glob("*_overlay.jpg"))) < 3:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    whole = files_in(tmp_path / "whole")
    there = {name: content for name, content in files_in(out).items() if not name.startswith(".")}
    assert 0 < len(there) < len(whole)
    assert all(whole[name] == content for name, content in there.items())
    assert run(weights, out, *asked) == 0
    assert files_in(out) == whole


def folder_with_odd_pictures(place: Path) -> list[Path]:
    """Two good pictures, one of them with a name near the limit, among everything that a folder may hold."""
    good = [drawn(place / "good.png"), drawn(place / ("\u732b" * 80 + ".png"))]
    (place / "cut.png").write_bytes(good[0].read_bytes()[:60])
    (place / "empty.jpg").write_bytes(b"")
    (place / "text.jpg").write_text("no picture")
    (place / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.new("1", (70_000, 1)).save(place / "wide.png")
    os.mkfifo(place / "pipe.png")
    return good


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("command", [["segment", "--box", "5,5,40,30"], ["everything", "--points-per-side", "1"]])
def test_odd_pictures_in_a_folder_end_no_job(tmp_path: Path, weights: Path, command: list[str], capsys: Shown) -> None:
    good = folder_with_odd_pictures(tmp_path / "in")
    out = tmp_path / "out"
    pipe = str(tmp_path / "in" / "pipe.png")  # A folder's pipes are no pictures; one that is named is a failure.
    arguments = [*command, str(tmp_path / "in"), pipe, "--model", str(weights), "--device", "cpu", "--output", str(out)]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    failed = {Path(line["input"]).name for line in lines if line["error"]}
    assert failed - {"wide.png"} == {"cut.png", "empty.jpg", "text.jpg", "page.png", "pipe.png"}
    done = {Path(line["input"]) for line in lines if not line["error"]}
    assert set(good) <= done
    for line in lines:
        record = json.loads((out / f"{line['name']}.json").read_text())
        assert bool(record.get("error")) == bool(line["error"]), "each failure has a record that says why"
        assert all(len(output["file"].encode()) <= 255 for output in line["outputs"])
    capsys.readouterr()
    assert main([*arguments, "--resume"]) == 1
    assert f"{len(done)} finished before" in capsys.readouterr().err, "the good ones are not done again"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    command = [sys.executable, "-m", "samhq", "segment", str(tmp_path / "pipe.png"), "--box", "1,1,9,9"]
    ended = subprocess.run([*command, "-o", str(tmp_path / "out")], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "pipe.png" in ended.stderr
    assert "Traceback" not in ended.stderr
