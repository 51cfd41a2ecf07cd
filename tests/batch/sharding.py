"""What tests of sharded jobs share: drawn pictures, a tiny model, a planned job, and its files."""

from __future__ import annotations

from pathlib import Path

from samhq.batch.answers import Question
from samhq.batch.plan import SUCCESS, ShardedJob, plan_job
from samhq.batch.rows import read_rows
from samhq.batch.settings import ModelSettings
from samhq.checkpoint.save import save_model
from tests import tiny
from tests.cli.segmenting import drawn

BOX = {"box": [5.0, 5.0, 40.0, 30.0]}


def question(folder: Path, **asked: object) -> Question:
    weights = folder / "model.safetensors"
    asked = asked if asked.keys() - {"batch_size"} else {"objects": (BOX,), **asked}
    if not weights.exists():
        save_model(tiny.shared(tiny.HQ), weights)
    return Question(ModelSettings(str(weights), device="cpu"), **asked)


def pictures(folder: Path, count: int = 7) -> Path:
    """Pictures of several sizes, one of 1 x 1 pixel, and one that is no picture."""
    for number in range(count - 2):
        drawn(folder / "in" / "deep" / f"p{number}.png", 40 + number, 60)
    drawn(folder / "in" / "one.png", 1, 1)
    (folder / "in" / "broken.png").write_bytes(b"no picture")
    return folder / "in"


def planned(folder: Path, name: str = "job", count: int = 7, shard_size: int = 2, **asked: object) -> ShardedJob:
    source = folder / "in"
    if not source.exists():
        pictures(folder, count)
    return plan_job(str(source), str(folder / name), question(folder, **asked), shard_size=shard_size)


def shard_files(job: ShardedJob) -> dict[str, bytes]:
    """The content of every shard, hidden files too."""
    return {path.name: path.read_bytes() for path in Path(job.folder.address, "out").iterdir()}


def check(job: ShardedJob, undisturbed: dict[str, bytes]) -> None:
    """Every id of the manifest has one row, no file is left over, and the bytes are those of an undisturbed run."""
    ids = [row["id"] for row in read_rows(job.folder.address)]
    assert ids == [name for name, _ in job.pictures]
    assert shard_files(job) == undisturbed
    assert Path(job.folder.address, SUCCESS).is_file()
