"""Computes one shard: reads its pictures, computes their rows, and writes them.

Knows nothing about other workers. The model is loaded once in every process.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from samhq.batch.halving import Halving
from samhq.batch.own_device import own_device
from samhq.batch.places import read_address
from samhq.batch.plan import EVENTS, OUT, ShardedJob, open_job
from samhq.batch.room import Room
from samhq.batch.rows import rows_of
from samhq.batch.settings import AS_IT_IS, BandSettings
from samhq.batch.shards import packed, shard_name
from samhq.batch.time_limit import NO_LIMIT, TimeLimit, forget_late, late_rows, store_late
from samhq.errors import MissingExtraError

_READERS = 4  #: Threads that read and decode pictures ahead of the network.
_MOST_PIXELS = 64_000_000  #: Limit of the pixels that wait for the network; a larger picture waits alone.

Ask = Halving[tuple[str, np.ndarray], dict[str, Any]]


@dataclass(frozen=True)
class ShardReport:
    """The costs of a shard: pictures, failures, seconds of reading, computing and writing, and processor time."""

    shard: int
    pictures: int
    errors: int
    began: float
    ended: float
    read_s: float
    compute_s: float
    write_s: float
    cpu_s: float  #: of all threads of the worker
    host: str
    revision: int = 0  #: 1, 2, ... for pictures of the shard that were tried again


@dataclass(frozen=True)
class ShardWork:
    """Computes shards of a job; a call loads the model and gives the function for one shard. Picklable.

    With `retry` only the pictures that failed are computed, and written to the shard's next revision. A picture that
    exceeds `limit` fails and ends the process; the shard continues when it is started again.
    """

    job: str
    retry: bool = False
    limit: TimeLimit = NO_LIMIT

    def __call__(self) -> Callable[[int], ShardReport]:
        """The function for one shard.

        Raises:
            ConfigError, CheckpointError, MissingExtraError: the model cannot be loaded.
        """
        planned = open_job(self.job)
        question = planned.question.on(own_device(planned.question.model.device))
        ask = Halving(question.start(planned.folder), question.batch_size, _ends_the_job)
        return partial(_again if self.retry else _first, planned, ask, self.limit)


@dataclass(frozen=True)
class _Todo:
    """A picture to compute."""

    id: str
    uri: str
    attempts: int = 1  #: with this one


def _first(job: ShardedJob, ask: Ask, limit: TimeLimit, shard: int) -> ShardReport:
    return _compute(job, ask, limit, shard, 0, [_Todo(name, uri) for name, uri in job.pictures_of(shard)])


def _again(job: ShardedJob, ask: Ask, limit: TimeLimit, shard: int) -> ShardReport:
    """Computes the pictures of a finished shard that failed."""
    revisions = job.done([shard])[shard].revisions
    failed = [row for row in rows_of(job, shard, revisions) if row["status"] == "error"]
    pictures = [_Todo(row["id"], row["uri"], row["attempts"] + 1) for row in failed]
    return _compute(job, ask, limit, shard, revisions[-1] + 1, pictures)


def _compute(
    job: ShardedJob, ask: Ask, limit: TimeLimit, shard: int, revision: int, pictures: Sequence[_Todo]
) -> ShardReport:
    """Computes and writes the rows of pictures."""
    began, cpu, clock = time.time(), time.process_time(), _Clock()
    stored = None if limit == NO_LIMIT else late_rows(job, shard, revision)
    rows = stored or []
    size = job.question.batch_size if stored is None else 1  # One by one, so that it shows which picture is late.

    def watched(todos: Sequence[_Todo]) -> AbstractContextManager[None]:
        """A context for work on pictures; a single one that takes too long fails."""

        def late() -> None:
            finished = [*rows]
            known = {row["id"] for row in finished}  # With the picture, if it was finished just now.
            failed = [_row(todo, (), limit.error()) for todo in todos if todo.id not in known and len(todos) == 1]
            store_late(job, shard, revision, [*finished, *failed])

        return limit.on(len(todos), late)

    known = {row["id"] for row in rows}
    read = _read([picture for picture in pictures if picture.id not in known], clock, watched, job.question.bands)
    while group := list(islice(read, size)):
        with watched([todo for todo, _ in group]):
            rows += clock.timed("compute", _rows, ask, group)
    places = {picture.id: place for place, picture in enumerate(pictures)}
    rows.sort(key=lambda row: places[row["id"]])
    name = shard_name(shard, revision)
    clock.timed("write", job.folder.write, f"{OUT}/{name}", packed(rows, job.fingerprint))
    if stored is not None:
        forget_late(job, shard, revision)
    errors = sum(row["status"] == "error" for row in rows)
    spent = {f"{part}_s": round(clock.seconds.get(part, 0.0), 4) for part in ("read", "compute", "write")}
    times = {"began": began, "ended": time.time(), "cpu_s": round(time.process_time() - cpu, 4), **spent}
    report = ShardReport(shard, len(rows), errors, host=socket.gethostname(), revision=revision, **times)
    event = json.dumps(asdict(report)).encode("ascii")
    job.folder.write(f"{EVENTS}/{name.removesuffix('.parquet')}.json", event)
    return report


#: Makes the context for work on pictures.
Watched = Callable[[Sequence[_Todo]], AbstractContextManager[None]]


def _unwatched(_: Sequence[_Todo]) -> AbstractContextManager[None]:
    return nullcontext()


class _Clock:
    """Adds up seconds under names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _read(
    pictures: Sequence[_Todo], clock: _Clock, watched: Watched = _unwatched, bands: BandSettings = AS_IT_IS
) -> Iterator[tuple[_Todo, np.ndarray | Exception]]:
    """Every picture with its pixels, in order; a few are read ahead. "read" counts the seconds of waiting."""
    room = Room(_MOST_PIXELS)
    with ThreadPoolExecutor(_READERS) as readers:
        ahead: deque[Future[tuple[np.ndarray | Exception, int]]] = deque()
        try:
            for number, picture in enumerate(pictures):
                for turn in range(number + len(ahead), min(number + 2 * _READERS, len(pictures))):
                    ahead.append(readers.submit(_pixels, pictures[turn].uri, room, turn, bands))
                with watched([picture]):
                    pixels, taken = clock.timed("read", ahead.popleft().result)
                room.give_back(taken)
                yield picture, pixels
        finally:
            room.close()
            readers.shutdown(wait=False, cancel_futures=True)


def _pixels(uri: str, room: Room, turn: int, bands: BandSettings = AS_IT_IS) -> tuple[np.ndarray | Exception, int]:
    """The pixels of a picture, or the error; and how many units of room it took."""
    taken = None
    try:
        content, channels = read_address(uri), bands.channels
        height, width = channels.size_hw(content)
        taken = height * width
        room.take(turn, taken)
        return channels.read(content), taken
    except Exception as error:  # noqa: BLE001  One odd picture must not end a job of millions.
        if taken is None:
            room.take(turn, 0)
        return error, taken or 0


def _rows(ask: Ask, group: Sequence[tuple[_Todo, np.ndarray | Exception]]) -> list[dict[str, Any]]:
    """The rows of pictures that are computed together.

    Raises:
        MissingExtraError: a package is missing, which every other picture would need, too.
        OSError: results cannot be stored.
    """
    for _, image in group:
        if isinstance(image, MissingExtraError):
            raise image
    answers = iter(ask([(todo.id, image) for todo, image in group if isinstance(image, np.ndarray)]))
    return [
        _row(todo, image.shape[:2], next(answers)) if isinstance(image, np.ndarray) else _row(todo, (), image)
        for todo, image in group
    ]


def _row(todo: _Todo, size_hw: tuple[int, ...], answer: dict[str, Any] | Exception) -> dict[str, Any]:
    """A picture's row: the fields of the answer, or the error."""
    row: dict[str, Any] = {"id": todo.id, "uri": todo.uri, "attempts": todo.attempts, "instances": []}
    if isinstance(answer, Exception):
        return row | {"status": "error", "error_type": type(answer).__name__, "error_msg": str(answer)}
    status = "ok" if answer["instances"] or "embedding" in answer else "empty"
    return row | {"status": status, "height": size_hw[0], "width": size_hw[1], **answer}


def _ends_the_job(error: Exception) -> bool:
    """Whether an error concerns all pictures: a missing package, a disk or store that cannot be read or written."""
    return isinstance(error, MissingExtraError | OSError)
