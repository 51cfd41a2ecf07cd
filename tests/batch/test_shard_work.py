"""A worker and one shard: order, batches that do not fit, and errors that concern all pictures."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.batch import shard_work
from samhq.batch.answers import Question
from samhq.batch.places import Folder
from samhq.batch.rows import read_rows
from samhq.batch.shard_work import ShardWork
from samhq.batch.sharded import run_sharded
from samhq.errors import MissingExtraError
from samhq.image import read
from samhq.image.read import read_image
from tests.batch.sharding import planned


def test_pictures_come_in_order_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_work, "_pixels", lambda uri, *_: (np.full((1, 1, 3), int(uri), np.uint8), 0))
    given = [shard_work._Todo(str(number), str(number)) for number in range(50)]
    found = [(todo.id, int(image[0, 0, 0])) for todo, image in shard_work._read(given, shard_work._Clock())]
    assert found == [(str(number), number) for number in range(50)]


def test_few_pixels_wait_and_nothing_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_work, "_MOST_PIXELS", 250)
    sizes = [(10, 10), (10, 10), (10, 10), (30, 20), (0, 0), (10, 10), (40, 5), (10, 5), (10, 5)] * 2
    given = [shard_work._Todo(str(number), str(tmp_path / f"{number}.png")) for number in range(len(sizes))]
    for todo, size in zip(given, sizes, strict=True):
        Path(todo.uri).write_bytes(b"no picture")
        if size[0]:
            Image.new("RGB", size).save(todo.uri)
    decoded: list[int] = []

    def counted(content: bytes) -> np.ndarray:
        pixels = read_image(content)
        decoded.append(pixels.shape[0] * pixels.shape[1])
        return pixels

    monkeypatch.setattr(read, "read_image", counted)
    used = 0
    for (_, pixels), size in zip(shard_work._read(given, shard_work._Clock()), sizes, strict=True):
        assert isinstance(pixels, Exception) or pixels.shape == (size[1], size[0], 3)
        used += size[0] * size[1]
        time.sleep(0.01)
        assert sum(decoded) - used <= 250 or sum(decoded) - used == 600, "beside one that is larger, none waits"
    assert used == sum(decoded)
    for _ in shard_work._read(given, shard_work._Clock()):
        break  # The threads that wait for room end, or this would hang.


def test_a_report_says_what_a_shard_took(tmp_path: Path) -> None:
    job = planned(tmp_path)
    work = pickle.loads(pickle.dumps(ShardWork(job.folder.address)))
    report = work()(0)
    assert (report.shard, report.revision, report.pictures, report.errors) == (0, 0, 2, 1)
    assert 0 < report.compute_s <= report.ended - report.began
    assert report.cpu_s > 0
    event = json.loads(Path(job.folder.address, "events", "shard-00000.json").read_text())
    assert event["host"] == report.host
    assert event["pictures"] == 2


def answering(call: Any) -> Any:
    return lambda self, folder: call


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def answer(pictures: Sequence[tuple[str, np.ndarray]]) -> list[dict]:
        calls.append(len(pictures))
        if len(pictures) > 2:
            raise RuntimeError("CUDA out of memory.")
        if pictures[0][1].size == 3:
            raise RuntimeError("CUDA out of memory.")
        return [{"instances": []} for _ in pictures]

    monkeypatch.setattr(Question, "start", answering(answer))
    job = planned(tmp_path, shard_size=7, batch_size=4)
    run_sharded(job.folder.address)
    assert calls == [3, 2, 1, 2, 1], "of four pictures one is unreadable; of the last three one does not fit alone"
    rows = {row["id"]: row["error_msg"] or row["status"] for row in read_rows(job.folder.address)}
    assert rows.pop("one.png") == "CUDA out of memory."
    assert "no picture" not in rows.pop("broken.png")
    assert set(rows.values()) == {"empty"}


@pytest.mark.parametrize("error", [OSError("the store is gone"), MissingExtraError("Expected a package.")])
def test_an_error_of_all_pictures_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(pictures: object) -> list[dict]:
        raise error

    monkeypatch.setattr(Question, "start", answering(broken))
    job = planned(tmp_path)
    with pytest.raises(type(error), match=r"gone|package"):
        run_sharded(job.folder.address)
    assert Folder(job.folder.address).names("out") == []


def test_embeddings_of_a_job(tmp_path: Path) -> None:
    job = planned(tmp_path, embed="float16")
    run_sharded(job.folder.address)
    rows = {row["id"]: row for row in read_rows(job.folder.address)}
    assert (rows.pop("broken.png")["status"], {row["status"] for row in rows.values()}) == ("error", {"ok"})
    assert {row["embedding"] for row in rows.values()} == set(job.folder.names("embeddings"))
    assert len(job.folder.names("embeddings")) == 6
