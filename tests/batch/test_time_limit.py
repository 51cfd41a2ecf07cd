"""A picture on which a process hangs fails, and the rest of its shard goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from samhq.batch import shard_work, time_limit
from samhq.batch.engine import Loop, Processes
from samhq.batch.plan import ShardedJob
from samhq.batch.pool import Died
from samhq.batch.rows import read_rows
from samhq.batch.sharded import run_sharded
from samhq.batch.time_limit import LATE, TimeLimit, late_counts, late_rows, store_late
from samhq.errors import ConfigError
from tests.batch.sharding import check, planned, shard_files

LIMIT_S = 15.0  #: Far more than a tiny picture takes on a busy machine.


class Hangs(BaseException):
    """In place of a picture that takes for ever."""


class Ended(BaseException):
    """In place of the process's end."""


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading p1.png and computing p3.png hang, and a process that is ended raises `Ended`."""
    pixels, rows = shard_work._pixels, shard_work._rows

    def slow_pixels(uri: str, *settings: Any) -> tuple[np.ndarray | Exception, int]:
        if uri.endswith("p1.png"):
            raise Hangs
        return pixels(uri, *settings)

    def slow_rows(ask: Any, group: Any) -> list[dict[str, Any]]:
        if any(todo.id == "deep/p3.png" for todo, _ in group):
            raise Hangs
        return rows(ask, group)

    @contextmanager
    def on(self: TimeLimit, pictures: int, late: Callable[[], None]) -> Iterator[None]:
        try:
            yield
        except Hangs:
            late()
            raise Ended from None

    monkeypatch.setattr(shard_work, "_pixels", slow_pixels)
    monkeypatch.setattr(shard_work, "_rows", slow_rows)
    monkeypatch.setattr(TimeLimit, "on", on)


class Here:
    """A new process for every shard, in this one."""

    def run(self, start: Callable, items: Sequence[int]) -> Generator[tuple[int, Any], None, None]:
        for shard in items:
            try:
                yield shard, start()(shard)
            except Ended:
                yield shard, Died(9)


def failed(job: ShardedJob) -> dict[str, str]:
    return {row["id"]: row["error_type"] for row in read_rows(job.folder.address) if row["status"] == "error"}


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.usefixtures("hanging")
def test_hanging_pictures_fail_and_their_shard_goes_on(tmp_path: Path, batch_size: int) -> None:
    job = planned(tmp_path, shard_size=7, batch_size=batch_size)
    tally = run_sharded(job.folder.address, Here(), picture_timeout=LIMIT_S)
    assert (tally.done, tally.lost, tally.errors) == (1, (), 4)
    late = dict.fromkeys(("deep/p1.png", "deep/p3.png"), "TimeoutError")
    assert failed(job) == {"broken.png": "ImageError", "one.png": "PromptError", **late}
    assert [row["id"] for row in read_rows(job.folder.address)] == [name for name, _ in job.pictures]
    reasons = {name: reason for name, reason in tally.failed.first if name in late}
    assert len(reasons) == 2
    for reason in reasons.values():
        assert reason.startswith("TimeoutError: Expected this picture to take at most 15 s")
    assert not list(Path(job.folder.address, LATE).iterdir()), "deleted with the shard's end"


def test_late_pictures_are_tried_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    undisturbed = planned(tmp_path, "undisturbed", shard_size=7)
    run_sharded(undisturbed.folder.address)
    job = planned(tmp_path, shard_size=7)
    request.getfixturevalue("hanging")
    for again in (False, True):
        run_sharded(job.folder.address, Here(), picture_timeout=LIMIT_S, retry_errors=again)
        assert len(failed(job)) == 4, "they still hang"
    request.getfixturevalue("monkeypatch").undo()
    run_sharded(job.folder.address, retry_errors=True)
    rows = [{**row, "attempts": 1} for row in read_rows(job.folder.address)]
    before = [{**row, "attempts": 1} for row in read_rows(undisturbed.folder.address)]
    assert rows == before


@dataclass(frozen=True)
class Sleeping:
    """What a worker is started with, in which reading p1.png takes 10 minutes."""

    start: Callable[[], Callable[[int], Any]]

    def __call__(self) -> Callable[[int], Any]:
        pixels = shard_work._pixels
        shard_work._pixels = lambda uri, *turn: pixels(uri, *turn) if not uri.endswith("p1.png") else time.sleep(600)
        return self.start()


class SleepingProcesses:
    """A worker process in which reading p1.png takes 10 minutes."""

    def run(self, start: Any, items: Sequence[int]) -> Generator[tuple[int, Any], None, None]:
        yield from Processes(1).run(Sleeping(start), items)


@pytest.mark.slow
def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    job = planned(tmp_path, shard_size=7)
    began = time.monotonic()
    assert run_sharded(job.folder.address, SleepingProcesses(), picture_timeout=LIMIT_S).errors == 3
    assert failed(job)["deep/p1.png"] == "TimeoutError"
    assert time.monotonic() - began < 300


def test_a_limit_that_is_kept_changes_nothing(tmp_path: Path) -> None:
    undisturbed = planned(tmp_path, "undisturbed")
    run_sharded(undisturbed.folder.address)
    job = planned(tmp_path)
    run_sharded(job.folder.address, Processes(1), picture_timeout=600)
    check(job, shard_files(undisturbed))


class DyingAtOnce:
    """An engine whose processes die before they store anything, and those of shard 1 after each late picture."""

    def __init__(self, job: ShardedJob) -> None:
        self.job, self.begun = job, [0, 0]

    def run(self, start: Callable, items: Sequence[int]) -> Iterator[tuple[int, Died]]:
        for shard in items:
            self.begun[shard] += 1
            if shard == 1 and self.begun[1] <= 4:
                row = {"id": "a", "status": "error", "instances": []}
                store_late(self.job, 1, 0, [row] * self.begun[1])
            yield shard, Died(9)


def test_a_shard_is_given_up_only_if_nothing_comes_of_its_processes(tmp_path: Path) -> None:
    job = planned(tmp_path, count=4)
    engine = DyingAtOnce(job)
    assert run_sharded(job.folder.address, engine, picture_timeout=9).lost == (0, 1)
    assert engine.begun == [3, 7]
    assert late_counts(job) == {1: (0, 4)}


def test_rows_of_another_job_do_not_count(tmp_path: Path) -> None:
    job = planned(tmp_path, count=4)
    assert late_rows(job, 0, 0) is None
    store_late(job, 0, 0, [])
    assert late_rows(job, 0, 0) == []
    Path(job.folder.address, LATE, "shard-00000.parquet").write_bytes(b"torn")
    assert late_rows(job, 0, 0) is None
    assert late_counts(job) == {}


def test_in_time_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(time_limit.os, "kill", lambda *given: ended.append(1))
    told: list[int] = []
    with TimeLimit(30).on(1, lambda: told.append(1)), TimeLimit().on(1, lambda: told.append(1)):
        pass
    assert (told, ended) == ([], [])
    with TimeLimit(0.01).on(2, lambda: told.append(1)):
        time.sleep(0.3)
    assert (told, ended) == ([1], [1])


def test_a_process_ends_even_if_nothing_can_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(time_limit.os, "kill", lambda *given: ended.append(1))
    monkeypatch.setattr(time_limit, "STORING_S", 0.05)
    released = Event()
    with TimeLimit(0.01).on(1, released.wait):
        time.sleep(0.5)
    assert ended == [1]
    released.set()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_limits_that_are_none(seconds: float) -> None:
    with pytest.raises(ConfigError, match="above 0 seconds"):
        TimeLimit(seconds)


@pytest.mark.parametrize("engine", [None, Loop()])
def test_a_limit_needs_a_process_to_end(tmp_path: Path, engine: Loop | None) -> None:
    job = planned(tmp_path, count=4)
    with pytest.raises(ConfigError, match="worker processes"):
        run_sharded(job.folder.address, engine, picture_timeout=9)
