"""The work of `samhq segment` from Python: same files, same manifest as the command, and resumed by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from samhq.batch import GivenPrompts, MaskFiles, ModelSettings, SegmentWork, TextSettings, items_of, run_job
from samhq.batch.job import Tally
from samhq.batch.manifest import Manifest
from samhq.batch.segment import segment_summary
from samhq.batch.settings import RefineSettings
from samhq.checkpoint.save import save_model
from samhq.image.network_inputs import PictureWithInputs
from samhq.image.read import ReadPicture, read_image
from samhq.results.prompt import Prompt
from tests import tiny
from tests.cli.segmenting import drawn, files_in, run


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_model(tiny.shared(tiny.HQ), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("workers", [0, 1])
def test_python_writes_what_the_command_writes_and_resumes(weights: Path, tmp_path: Path, workers: int) -> None:
    pictures = [drawn(tmp_path / "in" / f"{name}.png") for name in ("a", "b")]
    out = tmp_path / "python"
    prompts = GivenPrompts([Prompt(box=[5.0, 5.0, 40.0, 30.0])])
    work = SegmentWork(MaskFiles(out), prompts, model=ModelSettings(str(weights), device="cpu"))
    assert run_job(items_of(pictures), work, out, resume=True, workers=workers) == Tally(done=2)
    assert run_job(items_of(pictures), work, out, resume=True, workers=workers) == Tally(skipped=2)
    assert run(weights, tmp_path / "command", *pictures, "--box", "5,5,40,30") == 0
    found = files_in(out)
    assert found == files_in(tmp_path / "command")
    assert {"a_mask_0.png", "a.json", "a_overlay.jpg"} <= set(found)
    with Manifest(out) as manifest:
        assert {record.name for record in manifest.records.values()} == {"a", "b"}


def test_pictures_of_one_job_are_those_of_a_job_each(weights: Path, tmp_path: Path) -> None:
    pictures = [drawn(tmp_path / "in" / f"{name}.png", 40 + number) for number, name in enumerate("abcdef")]
    pictures[2].write_bytes(b"no picture")
    prompts = GivenPrompts([Prompt(box=[5.0, 5.0, 40.0, 30.0])])
    failed = []
    for out, parts in (("together", [pictures]), ("alone", [[picture] for picture in pictures])):
        work = SegmentWork(MaskFiles(tmp_path / out), prompts, model=ModelSettings(str(weights), device="cpu"))
        for part in parts:
            run_job(items_of(part), work, None, tell=lambda report: failed.append(report.record.error))
    assert failed[:6] == failed[6:]
    assert [number for number, error in enumerate(failed[:6]) if error] == [2]
    assert files_in(tmp_path / "together") == files_in(tmp_path / "alone")


def test_a_search_takes_the_place_of_prompts(weights: Path, tmp_path: Path) -> None:
    from tests.text import tiny_detectors

    picture = drawn(tmp_path / "a.png")
    boxes = tiny_detectors.coco_boxes(tmp_path / "boxes.json", {"a.png": [("cup", [5, 5, 35, 25], 0.9)]})
    said: list[str] = []
    work = SegmentWork(
        MaskFiles(tmp_path / "out", overlay=False),
        text=TextSettings(detector=str(boxes), text="cup"),
        model=ModelSettings(str(weights), device="cpu"),
    )
    run_job(items_of([picture]), work, None, tell=lambda report: said.append(report.summary))
    assert said[0].startswith("1 mask, score")
    assert "found in" in said[0]
    assert (tmp_path / "out" / "a_mask_0.png").is_file()


def test_what_is_said_of_a_picture_without_objects() -> None:
    assert segment_summary(0, []) == "0 masks, since no objects were asked for"
    assert segment_summary(1, [0.25]) == "1 mask, score 0.250"


def test_the_inputs_of_given_boxes_are_made_while_pictures_are_read(weights: Path, tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", 200)
    prompts = GivenPrompts([Prompt(box=[5.0, 5.0, 20.0, 20.0])])
    for refine, count in ((True, 1), (False, 0)):
        model, refining = ModelSettings(str(weights), device="cpu"), RefineSettings(refine=refine)
        each = SegmentWork(MaskFiles(tmp_path / "out"), prompts, model=model, refining=refining)()
        assert each.pictures.prepare is not None
        read = each.pictures.prepare(ReadPicture(picture, read_image(picture)))
        assert isinstance(read, PictureWithInputs)
        assert len(read.inputs.crops) == count
        assert ("square" in vars(read.inputs)) == (not refine), "a box needs no first look"
        each.close()
