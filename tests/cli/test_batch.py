"""`samhq batch`: plan, run, status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.segmenting import Shown, drawn

from samhq.batch import sharded
from samhq.batch.engine import Processes
from samhq.batch.places import Folder
from samhq.batch.plan import ShardedJob
from samhq.batch.rows import read_rows
from samhq.batch.sharded import ShardTally
from samhq.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        drawn(tmp_path / "in" / f"{name}.png")
    return tmp_path


def plan(folder: Path, weights: Path, *flags: object) -> int:
    source, job = str(folder / "in"), str(folder / "job")
    return main(["batch", "plan", source, "--out", job, "--model", str(weights), "--device", "cpu", *map(str, flags)])


def test_from_a_folder_to_rows(folder: Path, weights: Path, capsys: Shown) -> None:
    job = str(folder / "job")
    assert plan(folder, weights, "--box", "5,5,40,30", "--shard-size", 2) == 0
    assert "3 pictures in 2 shards" in capsys.readouterr().out
    assert main(["batch", "run", job, "--engine", "static", "--shard", "1/2"]) == 0
    assert "1 shard done, 0 finished before, 0 pictures failed" in capsys.readouterr().out
    assert main(["batch", "run", job, "--quiet"]) == 0
    assert main(["batch", "status", job, "--price-per-hour", "2"]) == 0
    said = capsys.readouterr().out
    assert "3 of 3 pictures, 2 of 2 shards" in said
    assert "for a million pictures" in said
    assert main(["batch", "status", job, "--json", "--price-per-hour", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost_per_million"] == pytest.approx(1e6 / (found["rate"] * 3600) * 2)
    assert [row["status"] for row in read_rows(job)] == ["ok"] * 3


def test_a_run_reads_its_job_once_and_its_shards_at_both_ends(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = str(folder / "job")
    assert plan(folder, weights, "--box", "2,2,20,20") == 0
    calls: list[str] = []
    for name in ("read", "names"):
        method = getattr(Folder, name)

        def counted(self: Folder, *given: str, method: Any = method) -> Any:
            calls.extend(given)
            return method(self, *given)

        monkeypatch.setattr(Folder, name, counted)
    main(["batch", "run", job, "-q"])
    assert calls.count("out") == 2, "at the start and at the end"
    assert calls.count("job.json") == 3, "by the run, to check the weights, and by the worker"


@pytest.mark.parametrize(("flag", "said"), [("--mask", "belongs to one picture"), ("--crs", "are in pixels")])
def test_flags_that_no_job_takes_are_not_in_its_help(
    flag: str, said: str, folder: Path, weights: Path, capsys: Shown
) -> None:
    assert main(["batch", "plan", "--help"]) == 0
    assert f"{flag} " not in capsys.readouterr().out
    assert plan(folder, weights, "--box", "5,5,40,30", flag, "value") == 2
    assert said in capsys.readouterr().err


def test_prompts_of_a_file(folder: Path, weights: Path, capsys: Shown) -> None:
    objects = {"a.png": [{"box": [5, 5, 40, 30], "label": "cup"}], "b": []}
    (folder / "prompts.json").write_text(json.dumps(objects))
    assert plan(folder, weights, "--prompts", folder / "prompts.json") == 0
    assert f"Not in {folder / 'prompts.json'}: 1 picture, which will fail" in capsys.readouterr().out
    assert main(["batch", "run", str(folder / "job"), "--quiet"]) == 1
    rows = list(read_rows(str(folder / "job")))
    assert [[one["label"] for one in row["instances"]] for row in rows] == [["cup"], [], []]
    assert [row["status"] for row in rows] == ["ok", "empty", "error"]
    assert "Expected prompts for c.png" in rows[2]["error_msg"]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"a.pgn": [{"box": [5, 5, 40, 30]}]}, "Did you mean 'a.png'?"),
        ({"a.png": [{"box": [5, 5, 40]}]}, "prompts.json: a.png: Expected a box of 4 numbers"),
        ([{"box": [5, 5, 40]}], "prompts.json: Expected a box of 4 numbers"),
        ({"a.png": [{"box": [40, 5, 5, 30]}]}, "Object 0 (from 0) of a.png: Expected boxes"),
        ({"a.png": [{"boxes": [5, 5, 40, 30]}]}, "boxes"),
        ([], "got none"),
    ],
)
def test_prompts_are_checked_before_a_job_is_planned(
    folder: Path, weights: Path, objects: object, said: str, capsys: Shown
) -> None:
    (folder / "prompts.json").write_text(json.dumps(objects))
    assert plan(folder, weights, "--prompts", folder / "prompts.json") == 2
    assert said in capsys.readouterr().err
    assert not (folder / "job").exists()


def test_export_and_second_attempts(
    folder: Path, weights: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, out = str(folder / "job"), folder / "out"
    whole = (folder / "in" / "b.png").read_bytes()
    (folder / "in" / "b.png").write_bytes(b"no picture")
    assert plan(folder, weights, "--box", "5,5,40,30") == 0
    assert main(["batch", "export", job, "--format", "coco", "-o", str(out)]) == 2
    assert "samhq batch run" in capsys.readouterr().err
    assert main(["batch", "run", job, "--price-per-hour", "3"]) == 1
    said = capsys.readouterr().out
    assert "3 pictures in" in said
    assert "for a million" in said
    assert "1 failed picture:\n  b.png: ImageError: " in said
    assert f"samhq batch run {job} --retry-errors" in said
    for command, code in (("run", 1), ("status", 0)):
        assert main(["batch", command, job]) == code, "the failure of an earlier run counts"
        assert "  b.png: ImageError: " in capsys.readouterr().out
    reads: list[object] = []
    done = ShardedJob.done
    monkeypatch.setattr(ShardedJob, "done", lambda job, *shards: reads.append(shards) or done(job, *shards))
    assert main(["batch", "status", job, "--json"]) == 0
    assert len(reads) == 1, "the ends of the shards are read once"
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["first_failed"]] == ["b.png"]
    (folder / "in" / "b.png").write_bytes(whole)
    assert main(["batch", "export", job, "--format", "coco", "-o", str(out)]) == 0
    assert f"2 masks of 2 pictures, 1 failed picture left out; results in {out}\n" in capsys.readouterr().out
    assert main(["batch", "run", job, "--retry-errors", "--quiet"]) == 0
    assert main(["batch", "export", job, "--format", "coco", "--format", "yolo", "-o", str(out)]) == 0
    assert "3 masks of 3 pictures" in capsys.readouterr().out
    assert len(json.loads((out / "coco.json").read_text())["images"]) == 3


def test_too_many_failures(folder: Path, weights: Path, capsys: Shown) -> None:
    (folder / "in" / "a.png").write_bytes(b"no picture")
    assert plan(folder, weights, "--box", "5,5,40,30", "--shard-size", 1) == 0
    assert main(["batch", "run", str(folder / "job"), "--max-error-rate", "0.01"]) == 1
    assert "Stopped: more than 1 % of the pictures failed" in capsys.readouterr().out


def test_embeddings_for_prompts_later(folder: Path, weights: Path, capsys: Shown) -> None:
    assert plan(folder, weights, "--embed", "--store", "float16", "--batch-size", 2) == 0
    assert main(["batch", "run", str(folder / "job"), "--quiet"]) == 0
    kept = folder / "job" / "embeddings"
    before = sorted(kept.glob("*.safetensors"))
    assert len(before) == 1, "the three pictures are the same"
    flags = ["--box", "5,5,40,30", "--model", str(weights), "--device", "cpu", "--embeddings", str(kept)]
    assert main(["segment", str(folder / "in"), *flags, "-o", str(folder / "masks")]) == 0
    assert sorted(kept.glob("*.safetensors")) == before, "none was encoded again"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "one of --everything"),
        (["--everything", "--box", "1,2,3,4"], "one of --everything"),
        (["--everything", "--shard-size", "0"], "1 or more"),
        (["--everything", "--embed"], "one of --everything"),
        (["--everything", "--store", "float16"], "--embed with --store"),
        (["--everything", "--batch-size", "0"], "batch size of 1"),
    ],
)
def test_plans_that_mean_nothing(folder: Path, weights: Path, flags: list[str], said: str, capsys: Shown) -> None:
    assert plan(folder, weights, *flags) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "job").exists()


def test_a_file_in_place_of_a_folder(folder: Path, weights: Path, capsys: Shown) -> None:
    file, job = drawn(folder / "photo.png"), str(folder / "job")
    box = ["--box", "5,5,40,30", "--model", str(weights), "--device", "cpu"]
    before = file.read_bytes()
    assert main(["batch", "plan", str(folder / "in"), "--out", str(file), *box]) == 2
    assert main(["batch", "status", str(file)]) == 2
    assert plan(folder, weights, "--box", "5,5,40,30") == 0
    assert main(["batch", "export", job, "--allow-partial", "--format", "coco", "--output", str(file)]) == 2
    assert capsys.readouterr().err.count("photo.png is a file") == 3
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "flags",
    [["--shard", "0/2"], ["--gpus", "1"], ["--engine", "static", "--shard", "x"], ["--picture-timeout", "0"]],
)
def test_runs_that_mean_nothing(folder: Path, weights: Path, flags: list[str]) -> None:
    assert plan(folder, weights, "--everything") == 0
    assert main(["batch", "run", str(folder / "job"), *flags]) == 2


@pytest.mark.parametrize(("flags", "engine"), [([], Processes(1)), (["--workers", "3"], Processes(3))])
def test_a_time_limit_starts_a_process(flags: list[str], engine: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def run_sharded(job: str, engine: Processes, **how: Any) -> ShardTally:
        given.extend([engine, how["picture_timeout"]])
        return ShardTally(0, 0)

    monkeypatch.setattr(sharded, "run_sharded", run_sharded)
    assert main(["batch", "run", "job", "--picture-timeout", "2.5", *flags]) == 0
    assert given == [engine, 2.5]
