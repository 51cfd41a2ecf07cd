"""Works through the shards of a job on any engine, and may be killed at any time: truth is the job's folder.

A shard that is there and whole is done. Everything else is computed, so a killed run costs the shards in work.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from samhq.batch.answers import Answer
from samhq.batch.engine import Engine, Loop
from samhq.batch.places import read_address
from samhq.batch.plan import SUCCESS, ShardedJob, check_weights, open_job
from samhq.batch.pool import Died
from samhq.batch.shards import packed, shard_name, unpacked
from samhq.errors import ConfigError, MissingExtraError
from samhq.storage.disk import is_disk_error

_ATTEMPTS = 3  #: How often a shard is begun whose process was killed.
_READERS = 4  #: Threads that read and decode pictures ahead of the network.


@dataclass(frozen=True)
class ShardReport:
    """What a shard took: pictures, failed pictures, and seconds for reading, computing and writing."""

    shard: int
    pictures: int
    errors: int
    began: float
    ended: float
    read_s: float
    compute_s: float
    write_s: float
    host: str


@dataclass(frozen=True)
class ShardTally:
    """How many shards were done now, had been done before, and were given up since their process was killed."""

    done: int
    skipped: int
    lost: tuple[int, ...] = ()
    errors: int = 0  #: pictures that failed, in the shards done now


def run_sharded(
    job: str,
    engine: Engine | None = None,
    *,
    part: tuple[int, int] = (0, 1),
    tell: Callable[[ShardReport], None] | None = None,
) -> ShardTally:
    """How many shards were done. Computes the shards that are not there, and marks the job when all are.

    `part` (i, N) takes every N-th shard from the i-th on: for SLURM, torchrun and Kubernetes, each with its own i.
    Several runs at once do no harm. `tell` is called for every shard, as they come.

    Raises:
        ConfigError: no job in the folder, other weights than planned, or a part that does not exist.
        SamHQError, OSError: the model cannot be loaded, or the folder cannot be written.
    """
    index, parts = part
    if not 0 <= index < parts:
        raise ConfigError(f"Expected a part i/N with i from 0 to N-1, got {index}/{parts}. Write --shard 0/4.")
    planned = open_job(job)
    check_weights(planned)
    mine = range(index, planned.shards, parts)
    left = [shard for shard in planned.left() if shard in mine]
    waiting, done, errors = left, 0, 0
    for _ in range(_ATTEMPTS):
        killed: list[int] = []
        with contextlib.closing((engine or Loop()).run(partial(_start, job), waiting)) as results:
            for shard, result in results:
                if isinstance(result, Died):
                    killed.append(shard)
                    continue
                done, errors = done + 1, errors + result.errors
                if tell is not None:
                    tell(result)
        waiting = killed
        if not waiting:
            break
    _conclude(planned)
    return ShardTally(done, len(mine) - len(left), tuple(waiting), errors)


def _conclude(job: ShardedJob) -> None:
    """Writes the mark of a finished job, where every shard is done."""
    if not job.left():
        job.folder.write(SUCCESS, json.dumps({"fingerprint": job.fingerprint, "images": job.images}).encode("ascii"))


def _start(job: str) -> Callable[[int], ShardReport]:
    """Loads the model, once in every process."""
    planned = open_job(job)
    return partial(_work, planned, planned.question.start())


def _work(job: ShardedJob, answer: Answer, shard: int) -> ShardReport:
    """Computes and writes a shard."""
    began, clock = time.time(), _Clock()
    rows = [clock.timed("compute", _row, answer, *each) for each in _read(job.pictures_of(shard), clock)]
    clock.timed("write", job.folder.write, f"out/{shard_name(shard)}", packed(rows, job.fingerprint))
    errors = sum(row["status"] == "error" for row in rows)
    spent = {f"{name}_s": round(clock.seconds.get(name, 0.0), 4) for name in ("read", "compute", "write")}
    report = ShardReport(shard, len(rows), errors, began, time.time(), host=socket.gethostname(), **spent)
    job.folder.write(f"events/{shard:05d}.json", json.dumps(asdict(report)).encode("ascii"))
    return report


class _Clock:
    """Seconds by name of what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _read(pictures: Sequence[tuple[str, str]], clock: _Clock) -> Iterator[tuple[str, str, np.ndarray | Exception]]:
    """Every picture with its id, address and pixels, in order; a few are read ahead. "read" counts the waiting."""
    with ThreadPoolExecutor(_READERS) as readers:
        ahead: deque[Future[np.ndarray | Exception]] = deque()
        for number, (name, uri) in enumerate(pictures):
            for following in pictures[number + len(ahead) : number + 2 * _READERS]:
                ahead.append(readers.submit(_pixels, following[1]))
            yield name, uri, clock.timed("read", ahead.popleft().result)


def _pixels(uri: str) -> np.ndarray | Exception:
    """The pixels of a picture, or why there are none."""
    from samhq.image.read import read_image

    try:
        return read_image(read_address(uri))
    except Exception as error:  # noqa: BLE001  One odd picture must not end a job of millions.
        return error


def _row(answer: Answer, name: str, uri: str, image: np.ndarray | Exception) -> dict[str, Any]:
    """A picture's row: instances, or the error.

    Raises:
        Exception: what every other picture would meet too: a missing extra, a disk that is full or gone.
    """
    row: dict[str, Any] = {"id": name, "uri": uri, "instances": []}
    if isinstance(image, MissingExtraError):
        raise image
    if isinstance(image, Exception):
        return row | _failure(image)
    try:
        instances = answer(image, name)
    except Exception as error:
        if isinstance(error, MissingExtraError) or (isinstance(error, OSError) and is_disk_error(error, None)):
            raise
        return row | _failure(error)
    height, width = image.shape[:2]
    return row | {
        "status": "ok" if instances else "empty",
        "height": height,
        "width": width,
        "instances": instances,
    }


def _failure(error: Exception) -> dict[str, Any]:
    return {"status": "error", "error_type": type(error).__name__, "error_msg": str(error)}


def read_rows(job: str, *, allow_partial: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a job, in the order of its pictures; see `samhq.batch.shards.schema`.

    Raises:
        ConfigError: the job is not finished, unless `allow_partial`.
    """
    planned = open_job(job)
    left = planned.left()
    if left and not allow_partial:
        raise ConfigError(
            f"Expected a finished job in {job}, got one with {len(left)} of {planned.shards} shards to do. "
            f"Finish it: samhq batch run {job}"
        )
    for shard in range(planned.shards):
        if shard not in left:
            yield from unpacked(planned.folder.read(f"out/{shard_name(shard)}") or b"")
